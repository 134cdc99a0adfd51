"""A part of a tf.data pipeline that is made once for each node, and read by all trials there."""

import fcntl
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import tensorflow as tf

from pipeline.datasets import FREE_DISK_BYTES, TF_DATA, SharedPart, batches_of, is_endless, kind_of
from pipeline.errors import DataError
from pipeline.storage.shared_folder import shared_root
from pipeline.training.data_call import DataCall, current_call
from pipeline.training.generators import GeneratorStates
from pipeline.training.pipeline_state import changes_because, kept
from pipeline.wording import size

_ELEMENTS, _WRITING, _UNSHARED, _LOCK = "elements", "writing", "unshared", "writer"
_POLL_SECONDS = 0.1
"""The interval at which a worker looks whether another one has written the cache."""


def cached_on_node(name: str, dataset: Any) -> Any:
    """A pipeline whose elements come from a cache of this node, which the first trial writes."""
    _check(name, dataset)
    call = current_call()
    if call is None:
        return dataset
    count = batches_of(dataset)
    key = call.add(SharedPart(name, str(dataset.element_spec), count, _bytes(dataset.element_spec, count)))
    if call.caches is None:
        # The trials will read it from a cache.
        return kept(dataset.take(-1))
    try:
        folder = call.caches.path / key
        folder.mkdir(exist_ok=True)
        with _writer(folder, name):
            if not (folder / _ELEMENTS).exists() and not (folder / _UNSHARED).exists():
                _write(name, dataset, folder, call)
        reason = (folder / _UNSHARED).read_text() if (folder / _UNSHARED).exists() else None
    except OSError as error:
        reason = f"{shared_root()} cannot be written: {error.strerror or error}"
    if reason is not None:
        print(
            f"tunepipe: The cache {name!r} is not shared, and each trial computes its elements in each epoch: {reason}."
        )
        return dataset
    return kept(_cached(dataset, folder / _ELEMENTS))


def _cached(dataset: Any, folder: Path) -> Any:
    return dataset.cache(str(folder / "cache"))


def _check(name: str, dataset: Any) -> None:
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


@contextmanager
def _writer(folder: Path, name: str) -> Iterator[None]:
    """Let one process at a time write the cache: if it is killed, the next one begins again."""
    with (folder / _LOCK).open("w") as lock:
        waits = False
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not waits:
                    print(f"tunepipe: Another trial writes the cache {name!r} of this node; this trial waits for it.")
                waits = True
                time.sleep(_POLL_SECONDS)
        yield


def _write(name: str, dataset: Any, folder: Path, call: DataCall) -> None:
    """Write the elements, or why they cannot be written."""
    reads, writing = call.reads, folder / _WRITING
    # A writer that was killed leaves files that TensorFlow takes for those of a live one.
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    # What Python code within the pipeline draws must not depend on which trial runs it.
    states = GeneratorStates.now().with_libraries()
    try:
        has_room = _pass(_cached(dataset, writing), folder)
    except tf.errors.ResourceExhaustedError:
        has_room = False
    finally:
        states.restore()
    if not has_room:
        shutil.rmtree(writing, ignore_errors=True)
        left = size(shutil.disk_usage(folder).free)
        least = size(FREE_DISK_BYTES)
        reason = f"its elements leave less than {least} of the disk of {shared_root()}, which has {left} free"
        (folder / _UNSHARED).write_text(reason)
        return
    if call.reads != reads:
        late = sorted({*call.reads.values, *call.reads.absent} - {*reads.values, *reads.absent})
        raise DataError(
            f"The pipeline before shared_cache({name!r}) reads {', '.join(late)} of the config only while it produces "
            "elements, so trials with other values would get the same elements. Read it earlier, in the data function."
        )
    writing.rename(folder / _ELEMENTS)


def _pass(dataset: Any, folder: Path) -> bool:
    """Read a pipeline to its end; whether the disk has room for what it writes."""
    return all(shutil.disk_usage(folder).free >= FREE_DISK_BYTES for _ in dataset)


def _bytes(spec: Any, count: int | None) -> int | None:
    """Size of all elements; None if shapes or their number are not known."""
    parts = tf.nest.flatten(spec)
    fixed = all(isinstance(part, tf.TensorSpec) for part in parts) and all(
        part.shape.is_fully_defined() and part.dtype != tf.string for part in parts
    )
    if count is None or not fixed:
        return None
    return int(count) * sum(int(part.shape.num_elements()) * int(part.dtype.size) for part in parts)
