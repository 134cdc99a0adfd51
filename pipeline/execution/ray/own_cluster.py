"""The study's own Ray cluster on this machine: started quickly, and stopped with the study."""

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipeline.errors import ClusterError
from pipeline.execution.ray.internals import (
    SLOW_START,
    signals_kept_from_ray,
    signals_left_alone,
    system_settings,
    without_unused_processes,
)
from pipeline.study import TuneJob

_STARTS = 2

_THREADS = "OMP_NUM_THREADS"

_IDLE_MILLISECONDS = 120 * 1000


def start(job: TuneJob, workers: int) -> None:
    """Start Ray on this machine, with worker processes that import what trials need."""
    import ray

    arguments: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.ERROR,
        "namespace": "tunepipe",
        "num_cpus": math.ceil(workers * job.resources.cpus),
        "include_dashboard": False,
        # An idle worker process ends after a second when all CPUs are reserved: also between the moment in which a
        # trial reserves the CPU and the one in which it takes the process, with everything imported. Where a trial has
        # several cores, there are more processes than trials: those that are left over should end.
        **system_settings(_preloaded(job), _IDLE_MILLISECONDS),
    }
    for left in reversed(range(_STARTS)):
        try:
            with without_unused_processes(), signals_left_alone(), signals_kept_from_ray(), _threads(job):
                # Without "local", Ray would join any cluster that runs on this machine.
                ray.init("local", **arguments)
        except Exception as error:
            # Ray has no class for this error.
            if SLOW_START not in str(error):
                raise
            ray.shutdown()
            if not left:
                raise ClusterError(
                    f"Ray did not start on this machine in {_STARTS} attempts: {' '.join(str(error).split())} If "
                    "other programs keep this machine busy, wait for them, or train in this process with --workers 0."
                ) from None
        else:
            return


@contextmanager
def _threads(job: TuneJob) -> Iterator[None]:
    """Within the context, Ray starts processes whose libraries for matrices use as many threads as a trial has CPUs.

    Ray says so only when a trial begins. Libraries that were imported before have a thread for each core of the
    machine, even in a container that may use a few of them.
    """
    given = os.environ.get(_THREADS)
    os.environ.setdefault(_THREADS, str(max(1, math.floor(job.resources.cpus))))
    try:
        yield
    finally:
        if given is None:
            os.environ.pop(_THREADS, None)


def _preloaded(job: TuneJob) -> str:
    return "pipeline.execution.ray.trainable" if job.model is None else "pipeline.execution.ray.preload"
