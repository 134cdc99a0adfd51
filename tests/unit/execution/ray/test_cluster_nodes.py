"""The nodes of a cluster, and their memory for data."""

import math
from dataclasses import replace
from typing import Any

import pytest
import ray

from pipeline.execution.ray import cluster_nodes
from pipeline.execution.ray.cluster_nodes import memory_for_rows_on_nodes
from pipeline.machine import this_machine
from pipeline.study import Resources
from pipeline.training.data import memory_for_rows
from tune_jobs.digits_quick import JOB


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A cluster of a driver's node without CPUs, a node that is gone, and what a test adds; 50 GB are free here."""
    nodes = [_node(0.0, 64e9), _node(1.0, 1e9, alive=False)]
    monkeypatch.setattr(ray, "nodes", lambda: nodes)
    machine = replace(this_machine(), free=50_000_000_000)
    monkeypatch.setattr(cluster_nodes, "this_machine", lambda: machine)
    return nodes


def _node(cpus: float, memory: float, *, alive: bool = True) -> dict[str, Any]:
    return {"Alive": alive, "Resources": {"CPU": cpus, "memory": memory}}


def test_memory_counts_where_ray_reserves_it(cluster: list[dict[str, Any]]) -> None:
    """The nodes of a joined cluster have the memory that Ray knows; those of a cluster of the study are unlimited."""
    cluster.append(_node(4.0, 16e9))
    assert cluster_nodes.cluster_nodes(joined=True) == [(0.0, 0.0, 64e9), (4.0, 0.0, 16e9)]
    assert cluster_nodes.cluster_nodes(joined=False) == [(0.0, 0.0, math.inf), (4.0, 0.0, math.inf)]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        (Resources(), 2e9),
        (Resources(workers=2), 4e9),
        (Resources(cpus=4), 8e9),
        (Resources(memory_gigabytes=3), 1.5e9),
        (Resources(worker_gigabytes=1), 0.5e9),
    ],
)
def test_rows_fill_half_of_the_least_share_of_a_node(
    cluster: list[dict[str, Any]], resources: Resources, expected: float
) -> None:
    """Rows may fill half of a worker's share of the memory, on the node that trains trials where that is least."""
    cluster += [_node(4.0, 16e9), _node(8.0, 64e9)]
    assert memory_for_rows_on_nodes(JOB.replaced({"resources": resources})) == expected


def test_the_driver_has_memory_for_the_rows(cluster: list[dict[str, Any]]) -> None:
    """Rows fill at most half of what is free on the driver's own machine, which loads them once."""
    cluster.append(_node(1.0, 400e9))
    assert memory_for_rows_on_nodes(JOB) == 25e9


def test_this_machine_stands_for_nodes_that_have_not_started(
    cluster: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as no node can train a trial, the memory for rows is that of this machine."""
    monkeypatch.setattr("pipeline.training.data.this_machine", lambda: replace(this_machine(), free=6_000_000_000))
    assert cluster
    assert memory_for_rows_on_nodes(JOB) == memory_for_rows(JOB) < 6e9
