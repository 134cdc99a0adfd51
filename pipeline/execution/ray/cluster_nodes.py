"""The nodes of the Ray cluster that this process has joined or started, and the memory that they have for data."""

import math

from pipeline.execution.capacity import Node
from pipeline.machine import this_machine
from pipeline.study import TuneJob
from pipeline.training.data import memory_for_rows


def cluster_nodes(*, joined: bool) -> list[Node]:
    """What each node of the cluster gives to trials."""
    import ray

    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [(has.get("CPU", 0.0), has.get("GPU", 0.0), has.get("memory", 0.0) if joined else math.inf) for has in alive]


def memory_for_rows_on_nodes(job: TuneJob) -> float:
    """The bytes of main memory that rows may fill in each worker of the cluster that this process has joined.

    That is half of the smallest share of a node that can train trials. The driver, which loads the rows once, needs as
    much. Where no such node has started yet, this machine stands for all.
    """
    need = job.resources
    shares = [
        memory / min(fits, need.workers or fits)
        for cpus, gpus, memory in cluster_nodes(joined=True)
        if memory and (fits := need.fit(cpus, gpus, memory))
    ]
    if not shares:
        return memory_for_rows(job)
    limits = [each * 1e9 for each in (need.memory_gigabytes, need.worker_gigabytes) if each is not None]
    return min(this_machine().free, *shares, *limits) / 2
