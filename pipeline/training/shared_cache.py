"""A part of a tf.data pipeline that is made once for each node, and read by all trials there."""

import fcntl
import hashlib
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.datasets import (
    FREE_DISK_BYTES,
    TF_DATA,
    ConfigReads,
    RecordedConfig,
    SharedPart,
    batches_of,
    is_endless,
    kind_of,
)
from pipeline.errors import DataError
from pipeline.space import key_of
from pipeline.storage.scratch import SharedFolder, shared_root
from pipeline.text import size

if TYPE_CHECKING:
    import tensorflow as tf


def shared_cache(name: str) -> Callable[[Any], Any]:
    """Let the trials of a node share a part of a tf.data pipeline: `dataset.map(decode).apply(shared_cache("train"))`.

    Like `cache()`, but shared: the first trial on a node writes the elements to disk, and other trials wait for them
    and read them. Each trial computes the steps that follow, such as `shuffle` and augmentation, itself. Outside of a
    study's trials, and where the disk has no room, the pipeline stays as it is.

    Args:
        name: A name for the part, which the data function uses once.

    Returns:
        A function for `tf.data.Dataset.apply`: it takes a pipeline and returns one with the same elements.

    Raises:
        DataError: The name is not a text. The function that is returned raises it if the pipeline is no
            tf.data.Dataset, never ends, or has other elements each time.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"shared_cache takes a name, such as shared_cache('train'); found {name!r}.")
    return lambda dataset: _cached(name, dataset)


@dataclass(slots=True)
class DataCall:
    """The call of a data function, in which `shared_cache` finds the config and the folder of caches."""

    config: RecordedConfig | None
    caches: SharedFolder | None
    parts: dict[str, SharedPart] = field(default_factory=dict)

    @property
    def reads(self) -> ConfigReads:
        """What the function has read of the config so far."""
        return ConfigReads() if self.config is None else self.config.reads


_CALL: ContextVar[DataCall | None] = ContextVar("tunepipe_data_call", default=None)


@contextmanager
def in_data_call(config: RecordedConfig | None, caches: SharedFolder | None) -> Iterator[DataCall]:
    """Call a data function within the context."""
    call = DataCall(config, caches)
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


def _cached(name: str, dataset: "tf.data.Dataset") -> Any:
    # A job file imports this module where it is read, even by commands that do not train.
    from pipeline.training.pipelines import changes_because, kept

    where = f"shared_cache({name!r})"
    if kind_of(dataset) != TF_DATA:
        raise DataError(f"{where} takes a tf.data.Dataset; found an object of type {type(dataset).__name__}.")
    if is_endless(dataset):
        raise DataError(f"The pipeline before {where} never ends. Put repeat() after it.")
    if (reason := changes_because(dataset)) is not None:
        raise DataError(
            f"The pipeline before {where} has different elements in each epoch, but a cache would keep those of the "
            f"first: it has {reason}. Put that after shared_cache."
        )
    if (call := _CALL.get()) is None:
        return dataset
    if name in call.parts:
        raise DataError(f"The data function uses {where} twice. Each part that is shared needs a name of its own.")
    count = batches_of(dataset)
    part = call.parts[name] = SharedPart(name, str(dataset.element_spec), count, _bytes(dataset.element_spec, count))
    if call.caches is None:
        # The trials will read it from a cache.
        return kept(dataset.take(-1))
    values = sorted((name, key_of(value)) for name, value in call.reads.values.items())
    content = repr((part, values, sorted(call.reads.absent)))
    try:
        folder = call.caches.path / hashlib.sha256(content.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            # One process writes, and the others wait; if it is killed, the next one begins again.
            fcntl.flock(lock, fcntl.LOCK_EX)
            written = (folder / "elements").exists() or _write(name, dataset, folder, call)
        reason = None if written else f"its elements leave less than {size(FREE_DISK_BYTES)} of {shared_root()} free"
    except OSError as error:
        reason = f"{shared_root()} cannot be written: {error.strerror or error}"
    if reason is not None:
        print(
            f"tunepipe: The cache {name!r} is not shared, and each trial computes its elements in each epoch: {reason}."
        )
        return dataset
    return kept(dataset.cache(str(folder / "elements" / "cache")))


def _write(name: str, dataset: "tf.data.Dataset", folder: Path, call: DataCall) -> bool:
    """Write the elements; whether the disk has room for them."""
    import tensorflow as tf

    from pipeline.training.global_state import generator_states, restore_generators

    reads, writing = call.reads, folder / "writing"
    if (folder / "no room").exists():
        return False
    # A writer that was killed leaves files that TensorFlow takes for those of a live one.
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    # What Python code within the pipeline draws must not depend on which trial runs it.
    states = generator_states(libraries=True)
    try:
        elements = dataset.cache(str(writing / "cache"))
        has_room = all(shutil.disk_usage(folder).free >= FREE_DISK_BYTES for _ in elements)
    except tf.errors.ResourceExhaustedError:
        has_room = False
    finally:
        restore_generators(states)
    if not has_room:
        shutil.rmtree(writing, ignore_errors=True)
        (folder / "no room").touch()
        return False
    if call.reads != reads:
        late = sorted({*call.reads.values, *call.reads.absent} - {*reads.values, *reads.absent})
        raise DataError(
            f"The pipeline before shared_cache({name!r}) reads {', '.join(late)} of the config only while it produces "
            "elements, so trials with other values would get the same elements. Read it earlier, in the data function."
        )
    writing.rename(folder / "elements")
    return True


def _bytes(spec: Any, count: int | None) -> int | None:
    """Size of all elements; None if shapes or their number are not known."""
    import tensorflow as tf

    parts = tf.nest.flatten(spec)
    fixed = all(isinstance(part, tf.TensorSpec) for part in parts) and all(
        part.shape.is_fully_defined() and part.dtype != tf.string for part in parts
    )
    if count is None or not fixed:
        return None
    return int(count) * sum(int(part.shape.num_elements()) * int(part.dtype.size) for part in parts)
