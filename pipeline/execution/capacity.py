"""How many trials train in parallel, from what a machine or a cluster has and what a trial requests."""

import math
from collections.abc import Sequence
from typing import TypeAlias

from pipeline.errors import ResourcesUnmet
from pipeline.machine import this_machine
from pipeline.study import TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.text import counted, size

Node: TypeAlias = tuple[float, float, float]
"""What a node of a cluster gives to trials: CPUs, GPUs, bytes of memory."""

_PROCESSES_OF_A_CORE = 16


def default_workers(job: TuneJob, cpus: float, gpus: float) -> int:
    """How many trials fit in parallel into a machine."""
    return cluster_workers(job, [(cpus, gpus, math.inf)])


def cluster_workers(job: TuneJob, nodes: Sequence[Node]) -> int:
    """How many trials fit in parallel into the nodes of a cluster: a trial trains on one node."""
    if (why := no_node(job, nodes)) is not None:
        raise ResourcesUnmet(
            f"{why} Request less with --set resources.cpus=…, resources.gpus=… or resources.memory_gigabytes=…, or, "
            "where the cluster starts such nodes for trials that wait, say how many train in parallel with --workers."
        )
    return sum(job.resources.fit(*node) for node in nodes)


def no_node(job: TuneJob, nodes: Sequence[Node]) -> str | None:
    """Why no node of a cluster can train a trial, as a sentence; None if one can."""
    need = job.resources
    if any(need.fit(*node) for node in nodes):
        return None
    cpus, gpus, memory = (max((node[kind] for node in nodes), default=0.0) for kind in range(3))
    wanted, most = "", ""
    if need.memory_gigabytes is not None and memory < math.inf:
        wanted, most = (f" and {size(count)} of memory" for count in (need.memory_gigabytes * 1e9, memory))
    return (
        f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')}{wanted}; a machine "
        f"has at most {counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}{most}."
    )


def local_workers(job: TuneJob, cpus: float, gpus: float) -> int:
    """How many workers a cluster on this machine starts: no more than there are trials."""
    # At least one trial must fit, whatever number is requested: Ray accepts any number of cores.
    fits = default_workers(job, cpus, gpus)
    workers = min(job.resources.workers or fits, trials_in_all(job))
    if workers > (most := math.floor(_PROCESSES_OF_A_CORE * cpus)):
        raise ResourcesUnmet(
            f"{workers} workers were requested, each in its own process; this machine has {counted(cpus, 'CPU core')}. "
            f"Request at most {most} with --workers, or run on a cluster with --address."
        )
    return workers


def local_capacity() -> tuple[float, float]:
    """CPU cores and GPUs of this machine, counted without starting Ray or TensorFlow."""
    machine = this_machine()
    # A container with less than a core trains slowly, but it trains.
    return max(1.0, machine.cpus), float(len(machine.gpus))


def unused_gpus(job: TuneJob, gpus: float) -> str | None:
    """A note that trials train without the available GPUs, and how to use them; None if there is nothing to say."""
    if not gpus or job.resources.gpus:
        return None
    return (
        f"Found {counted(gpus, 'GPU')}, but trials of {job.name!r} request none and train on CPUs. "
        "--gpus 1 gives each trial a GPU, --gpus 0.5 half the memory of one."
    )
