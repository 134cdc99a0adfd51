"""CPUs, GPUs and memory."""

import pytest

from pipeline.execution.preflight.finding import NodeFacts
from pipeline.execution.preflight.resources import memory_finding, resources_finding, this_node, workers_of
from tests.unit.execution.preflight.facts import job

GB = 10**9


def node(cpus: float = 4, gpus: float = 0, memory: float = 8 * GB, name: str = "n") -> NodeFacts:
    """A node."""
    return NodeFacts(name, cpus, gpus, memory)


@pytest.mark.parametrize(
    ("resources", "nodes", "joined", "level", "workers"),
    [
        ({}, [node(4)], False, "ok", 4),
        ({"workers": 0}, [node(4)], False, "ok", 1),
        ({"cpus": 8}, [node(4)], False, "error", 0),
        ({"gpus": 1}, [node(4)], False, "error", 0),
        ({"gpus": 1}, [node(4, 2)], False, "ok", 2),
        ({"gpus": 0.5}, [node(4, 2)], False, "ok", 4),
        ({}, [node(4, 2)], False, "warning", 4),
        ({"workers": 8}, [node(4)], False, "warning", 8),
        ({"workers": 8}, [node(4), node(2)], True, "warning", 6),
        ({"workers": 3, "gpus": 1}, [node(4, 2)], False, "warning", 2),
        ({"cpus": 5}, [node(4), node(4)], True, "error", 0),
        ({"cpus": 3}, [node(4), node(8)], True, "ok", 3),
        ({"memory_gigabytes": 4}, [node(4), node(4)], True, "ok", 4),
        ({"memory_gigabytes": 9}, [node(4), node(4)], True, "error", 0),
        ({"memory_gigabytes": 9}, [node(4)], False, "ok", 4),
    ],
)
def test_as_many_trials_as_fit_on_single_nodes(resources, nodes, joined, level, workers) -> None:
    """The number of parallel trials follows from what fits on each node, and a shortage is a warning or a fault."""
    assert resources_finding(job(resources=resources), nodes, joined=joined).level == level
    assert workers_of(job(resources=resources), nodes, joined=joined) == workers


@pytest.mark.parametrize(("held", "workers", "level"), [(GB, 4, "ok"), (3 * GB, 4, "warning"), (9 * GB, 1, "error")])
def test_workers_must_find_memory(held, workers, level) -> None:
    """Too little memory for some workers is a warning, and for any worker a fault."""
    assert memory_finding(job(), [node()], held, workers).level == level


def test_gpus_that_no_trial_uses_are_reported() -> None:
    """If trials use CPUs on a machine with two GPUs, the finding reports both GPUs and how to use them."""
    finding = resources_finding(job(), [node(4, 2)], joined=False)
    assert finding.advice.startswith("There are 2 GPUs, but trials of 's' request none")
    assert "--gpus 1" in finding.advice


def test_the_node_that_is_too_small_is_named() -> None:
    """The finding names the node whose memory is too small for the workers that fit on it."""
    found = memory_finding(job(), [node(name="large"), node(8, memory=GB, name="small")], GB // 4, 12)
    assert (found.level, found.found) == ("warning", "8 workers use 2 GB, but small has 1 GB")


def test_a_ceiling_below_what_a_worker_holds_is_a_warning() -> None:
    """A memory limit below what a worker needs is a warning."""
    assert memory_finding(job(resources={"worker_gigabytes": 0.5}), [node()], GB, 1).level == "warning"


def test_this_machine_has_a_core_and_memory() -> None:
    """This machine is reported with at least one CPU and with memory."""
    assert this_node().cpus >= 1
    assert this_node().memory > 0
