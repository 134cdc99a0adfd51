"""A job's data, loaded under the study's seed, and parts of tf.data pipelines that are made once for each node."""

import fcntl
import hashlib
import shutil
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline import datasets
from pipeline.datasets import ConfigReads, Dataset, RecordedConfig, batches_of, is_endless, is_tf_data, takes_config
from pipeline.errors import DataError, ResourcesUnmet
from pipeline.space import draw, flat, key_of
from pipeline.storage.scratch import SharedFolder, shared_root
from pipeline.study import TuneJob
from pipeline.study.context import for_all_trials
from pipeline.study.trial_configs import start_configs
from pipeline.text import size
from pipeline.training.process import generator_states, restore_generators, seed_globally, seeding_imports, set_up

if TYPE_CHECKING:
    import tensorflow as tf


def load_data(
    job: TuneJob,
    *,
    trains: bool = True,
    config: RecordedConfig | None = None,
    folder: Path | None = None,
    caches: SharedFolder | None = None,
) -> Dataset | None:
    """Load the data of a job.

    A data function is called with Python's, NumPy's, TensorFlow's and Keras' global generators started again from the
    job's seed, so that it returns the same in every process that calls it.
    """
    if job.data is None:
        return None
    if not takes_config(job.data):
        config = None
    elif config is None:
        configs = start_configs(job) or [draw(job.space, np.random.default_rng(job.seed), 0)]
        config = RecordedConfig(configs[0])
    if callable(job.data):
        if trains and job.model is not None:
            # TensorFlow takes its threads and its GPU memory from what is set before its first tensor. A trial that
            # gets no GPU raises where it is trained.
            with suppress(ResourcesUnmet):
                set_up(job.resources)
        data = _call_data_function(job, config, folder=folder, caches=caches, gpus=trains)
    else:
        data = datasets.load(job.data)
    _check(job, data, ConfigReads() if config is None else config.reads)
    return data


def _call_data_function(
    job: TuneJob, config: RecordedConfig | None, *, folder: Path | None, caches: SharedFolder | None, gpus: bool
) -> Dataset:
    """What a job's data function returns, for a config if it takes one."""
    if "keras" in sys.modules:
        from pipeline.training.internals import reset_names

        # A pipeline's layers have variables, which a checkpoint names.
        reset_names()
    assert job.data is not None
    seed = zlib.crc32(f"{job.seed} data".encode())
    with ExitStack() as stack:
        if folder is not None:
            stack.enter_context(chdir(folder))
        stack.enter_context(for_all_trials(seed=job.seed, epochs=job.budget.epochs))
        stack.enter_context(in_data_call(config, caches))
        seed_globally(seed, gpus=gpus)
        stack.enter_context(seeding_imports(seed, gpus=gpus))
        return datasets.load(job.data, config)


def _check(job: TuneJob, data: Dataset, reads: ConfigReads) -> None:
    if data.validation is None and job.folds == 1:
        metrics = [objective.metric for objective in job.objectives if objective.metric.startswith("val_")]
        if metrics:
            raise DataError(
                f"The data set {data.name!r} has no validation split, so there is no metric {', '.join(metrics)}. Add "
                f"one, or choose a metric of the training such as {metrics[0].removeprefix('val_')} as the objective."
            )
    if data.pipelines and job.folds > 1:
        raise DataError(
            f"The {' and the '.join(data.pipelines)} split of the data set {data.name!r} cannot be divided into folds: "
            "folds need arrays in a Split. Set folds to 1; repeats work with pipelines."
        )
    if "train" in data.pipelines and "batch_size" in flat(job.space) and "batch_size" not in reads.values:
        raise DataError(
            f"The hyperparameter batch_size has no effect: the train split of the data set {data.name!r} is a "
            "pipeline, which makes its own batches. Take batch_size out of the space, or give arrays in a Split."
        )


# Parts of pipelines that the trials of a node share.


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

    config: RecordedConfig
    caches: SharedFolder | None
    parts: list[str] = field(default_factory=list)


_CALL: ContextVar[DataCall | None] = ContextVar("tunepipe_data_call", default=None)


@contextmanager
def in_data_call(config: RecordedConfig | None, caches: SharedFolder | None) -> Iterator[None]:
    token = _CALL.set(DataCall(RecordedConfig({}) if config is None else config, caches))
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
    reads = call.config.reads
    values = sorted((name, key_of(value)) for name, value in reads.values.items())
    content = repr((name, str(dataset.element_spec), batches_of(dataset), values, sorted(reads.absent)))
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

    reads, writing = call.config.reads, folder / "writing"
    full = OSError(f"less than {size(FREE_DISK_BYTES)} would stay free")
    if (folder / "no room").exists():
        raise full
    # A writer that was killed leaves files that TensorFlow takes for those of a live one.
    shutil.rmtree(writing, ignore_errors=True)
    writing.mkdir()
    # What Python code within the pipeline draws must not depend on which trial runs it.
    states = generator_states()
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
    if (now := call.config.reads) != reads:
        late = sorted({*now.values, *now.absent} - {*reads.values, *reads.absent})
        raise DataError(
            f"The pipeline before shared_cache({name!r}) reads {', '.join(late)} of the config only while it produces "
            "elements, so trials with other values would get the same elements. Read it earlier, in the data function."
        )
    writing.rename(folder / "elements")
