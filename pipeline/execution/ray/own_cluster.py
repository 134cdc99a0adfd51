"""The study's own Ray cluster on this machine: started quickly, and stopped with the study."""

import logging
import math
from typing import Any

from pipeline.errors import ClusterError
from pipeline.execution.ray.internals import (
    SLOW_START,
    signals_kept_from_ray,
    signals_left_alone,
    spared_processes,
    system_settings,
)
from pipeline.study import TuneJob

__all__ = ["start"]

_STARTS = 2

_IDLE_MILLISECONDS = 120 * 1000


def start(job: TuneJob, workers: int) -> None:
    """Start Ray on this machine, with worker processes that import what trials need.

    Args:
        job: The study's job.
        workers: How many trials train at once.

    Raises:
        ClusterError: Ray does not start. It gives up after half a minute on a machine under load, so it is tried twice.
    """
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
            with spared_processes(), signals_left_alone(), signals_kept_from_ray():
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


def _preloaded(job: TuneJob) -> str:
    return "pipeline.execution.ray.trainable" if job.model is None else "pipeline.execution.ray.preload"
