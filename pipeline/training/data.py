"""A job's data, loaded under the study's seed."""

import sys
import zlib
from collections.abc import Mapping
from contextlib import ExitStack, chdir, suppress
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import datasets
from pipeline.datasets import ConfigReads, Dataset, RecordedConfig, Stream, recorded_buffer, takes_config
from pipeline.errors import DataError, ResourcesUnmet
from pipeline.machine import this_machine
from pipeline.space import Config, draw, flat
from pipeline.storage.scratch import SharedFolder
from pipeline.study import TuneJob
from pipeline.study.context import for_all_trials
from pipeline.study.trial_configs import start_configs
from pipeline.text import counted
from pipeline.training.global_state import seed_globally, seeding_imports
from pipeline.training.process import set_up, workers_on
from pipeline.training.shared_cache import in_data_call


def example_config(job: TuneJob, known: Config | None = None) -> Config:
    """A config of a job's space: the first one that it starts with, or one of the space's."""
    configs = start_configs(job)
    config = configs[0] if configs else draw(job.space, np.random.default_rng(job.seed), 0)
    return {**config, **(known or {})}


def load_data(
    job: TuneJob,
    *,
    trains: bool = True,
    config: RecordedConfig | None = None,
    folder: Path | None = None,
    recorded: Mapping[str, Any] | None = None,
    caches: SharedFolder | None = None,
    memory: float | None = None,
) -> Dataset | None:
    """Load the data of a job.

    A data function is called with Python's, NumPy's, TensorFlow's and Keras' global generators started again from the
    job's seed, so that it returns the same in every process that calls it.
    """
    if job.data is None:
        return None
    if not callable(job.data):
        memory = memory_for_rows(job) if memory is None else memory
        data = datasets.load(job.data, memory=memory, buffer=recorded_buffer(recorded))
    else:
        if trains and job.model is not None:
            # TensorFlow takes its threads and its GPU memory from what is set before its first tensor. A trial that
            # gets no GPU raises where it is trained.
            with suppress(ResourcesUnmet):
                set_up(job.resources)
        if not takes_config(job.data):
            config = None
        elif config is None:
            config = RecordedConfig(example_config(job))
        data = _call_data_function(job, config, folder=folder, caches=caches, gpus=trains)
    _check(job, data, ConfigReads() if config is None else config.reads)
    return data


def how_read(data: Dataset | None) -> str | None:
    """How Parquet files are read while models train, as a part of a sentence; None if nothing is read then."""
    if data is None or not isinstance(data.train, Stream):
        return None
    return (
        f"the data are streamed from {counted(len(data.train.files.paths), 'Parquet file')}, because they are larger "
        "than a worker's share of the memory: row groups come in a random order, and each row is drawn from a buffer "
        f"of {data.train.buffer:,}"
    )


def memory_for_rows(job: TuneJob) -> float:
    """The bytes of main memory that rows may fill in each worker of this machine: half of its share of what is free."""
    resources = job.resources
    limits = [each for each in (resources.memory_gigabytes, resources.worker_gigabytes) if each is not None]
    return min([this_machine().free / workers_on(resources), *(each * 1e9 for each in limits)]) / 2


def _call_data_function(
    job: TuneJob, config: RecordedConfig | None, *, folder: Path | None, caches: SharedFolder | None, gpus: bool
) -> Dataset:
    """What a job's data function returns, for a config if it takes one."""
    if "keras" in sys.modules:
        from pipeline.training.internals import reset_names

        # A pipeline's layers have variables, which a checkpoint names.
        reset_names()
    assert callable(job.data)
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
    if (
        "train" in data.pipelines
        and not isinstance(data.train, Stream)
        and "batch_size" in flat(job.space)
        and "batch_size" not in reads.values
    ):
        raise DataError(
            f"The hyperparameter batch_size has no effect: the train split of the data set {data.name!r} is a "
            "pipeline, which makes its own batches. Take batch_size out of the space, or give arrays in a Split."
        )
