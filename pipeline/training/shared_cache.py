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
    ConfigReads,
    RecordedConfig,
    batches_of,
    is_endless,
    is_tf_data,
)
from pipeline.errors import DataError
from pipeline.space import key_of
from pipeline.storage.scratch import SharedFolder, shared_root
from pipeline.text import size

if TYPE_CHECKING:
    import tensorflow as tf


def shared_cache(name: str) -> Callable[[Any], Any]:
    """Let the trials of a node share a part of a tf.data pipeline: `dataset.map(decode).apply(shared_cache("train"))`.

    Like `cache()`, which keeps the elements and the order of the first pass, but shared: the first trial on a node
    writes the elements to disk, and other trials wait for them and read them. Each trial computes the steps that
    follow, such as `shuffle` and augmentation, itself. Outside of a study's trials, and where the disk has no room, the
    pipeline stays as it is.

    Args:
        name: A name for the part, which the data function uses once.

    Returns:
        A function for `tf.data.Dataset.apply`: it takes a pipeline and returns one with the same elements.

    Raises:
        DataError: The name is not a text. The function that is returned raises it if the pipeline is no
            tf.data.Dataset, or never ends.
    """
    if not isinstance(name, str) or not name:
        raise DataError(f"shared_cache takes a name, such as shared_cache('train'); found {name!r}.")
    return lambda dataset: _cached(name, dataset)


FREE_DISK_BYTES = 2**30
"""Bytes of a node's disk that shared parts of pipelines leave free: other programs need some, too."""


@dataclass(slots=True)
class DataCall:
    """The call of a data function, in which `shared_cache` finds the config and the folder of caches."""

    config: RecordedConfig | None
    caches: SharedFolder | None
    parts: list[str] = field(default_factory=list)

    @property
    def reads(self) -> ConfigReads:
        return ConfigReads() if self.config is None else self.config.reads


_CALL: ContextVar[DataCall | None] = ContextVar("tunepipe_data_call", default=None)


@contextmanager
def in_data_call(config: RecordedConfig | None, caches: SharedFolder | None) -> Iterator[None]:
    token = _CALL.set(DataCall(config, caches))
    try:
        yield
    finally:
        _CALL.reset(token)


def _cached(name: str, dataset: "tf.data.Dataset") -> Any:
    where = f"shared_cache({name!r})"
    if not is_tf_data(dataset):
        raise DataError(f"{where} takes a tf.data.Dataset; found an object of type {type(dataset).__name__}.")
    if is_endless(dataset):
        raise DataError(f"The pipeline before {where} never ends. Put repeat() after it.")
    if (call := _CALL.get()) is None:
        return dataset
    if name in call.parts:
        raise DataError(f"The data function uses {where} twice. Each part that is shared needs a name of its own.")
    call.parts.append(name)
    if call.caches is None:
        return dataset
    values = sorted((name, key_of(value)) for name, value in call.reads.values.items())
    content = repr((name, str(dataset.element_spec), batches_of(dataset), values, sorted(call.reads.absent)))
    try:
        folder = call.caches.path / hashlib.sha256(content.encode()).hexdigest()[:16]
        folder.mkdir(exist_ok=True)
        with (folder / "lock").open("w") as lock:
            # One process writes, and the others wait; if it is killed, the next one begins again.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "elements").exists():
                _write(name, dataset, folder, call)
    except OSError as error:
        print(
            f"tunepipe: The cache {name!r} is not shared, and each trial computes its elements in each epoch: in "
            f"{shared_root()}, {error.strerror or error}."
        )
        return dataset
    return dataset.cache(str(folder / "elements" / "cache"))


def _write(name: str, dataset: "tf.data.Dataset", folder: Path, call: DataCall) -> None:
    """Write the elements; an OSError says that the disk has no room for them."""
    import tensorflow as tf

    from pipeline.training.global_state import generator_states, restore_generators

    reads, writing = call.reads, folder / "writing"
    full = OSError(f"less than {size(FREE_DISK_BYTES)} would stay free")
    if (folder / "no room").exists():
        raise full
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
        raise full
    if call.reads != reads:
        late = sorted({*call.reads.values, *call.reads.absent} - {*reads.values, *reads.absent})
        raise DataError(
            f"The pipeline before shared_cache({name!r}) reads {', '.join(late)} of the config only while it produces "
            "elements, so trials with other values would get the same elements. Read it earlier, in the data function."
        )
    writing.rename(folder / "elements")
