"""What a machine or a cluster has, and how many trials train in parallel there."""

import json
import platform
from importlib.metadata import version
from typing import Any

import pytest

from pipeline import Objective, TuneJob, Uniform
from pipeline.errors import InvalidJob, ResourcesUnmet
from pipeline.execution.capacity import cluster_workers, default_workers, local_workers, unused_gpus
from pipeline.execution.provenance import node_facts
from tests.recorded_curves import steps


def job(**fields: Any) -> TuneJob:
    """A job of a function; keyword arguments are its fields."""
    return TuneJob(
        name="s", function=steps, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")], **fields
    )


@pytest.mark.parametrize(
    ("resources", "fits"),
    [({"cpus": 1}, 8), ({"cpus": 3}, 2), ({"gpus": 1}, 2), ({"gpus": 0.25}, 8), ({"cpus": 0.5, "gpus": 0.5}, 4)],
)
def test_as_many_trials_run_as_fit(resources, fits):
    assert default_workers(job(resources=resources), 8, 2) == fits


@pytest.mark.parametrize(
    ("resources", "fits"), [({"cpus": 1}, 8), ({"cpus": 2}, 3), ({"cpus": 3}, 2), ({"memory_gigabytes": 3}, 5)]
)
def test_as_many_trials_run_as_fit_on_the_nodes(resources, fits):
    assert cluster_workers(job(resources=resources), [(3, 0, 8e9), (3, 0, 4e9), (2, 0, 8e9)]) == fits


@pytest.mark.parametrize("resources", [{"cpus": 4}, {"cpus": 2, "gpus": 1}, {"memory_gigabytes": 9}])
def test_a_trial_that_no_single_node_fits_is_refused(resources):
    nodes = [(3, 0, 8e9), (3, 0, 4e9), (1, 1, 8e9), (1, 0, 0)]
    with pytest.raises(ResourcesUnmet, match=r"at most 3 CPUs, 1 GPU( and 8 GB of memory)?\."):
        cluster_workers(job(resources=resources), nodes)


def test_so_many_workers_that_the_machine_would_stand_still_are_refused():
    few = job()
    assert local_workers(few.replaced({"resources.workers": 9000, "budget.trials": 5}), cpus=2, gpus=0) == 5
    many = few.replaced({"resources.workers": 9000, "budget.trials": 10_000})
    with pytest.raises(ResourcesUnmet, match="at most 32"):
        local_workers(many, cpus=2, gpus=0)
    with pytest.raises(InvalidJob):
        few.replaced({"resources.workers": 99999999999})


@pytest.mark.parametrize(
    ("resources", "reported"),
    [({"gpus": 1}, "requests 1 CPU, 1 GPU; .* 0 GPUs"), ({"cpus": 9}, "requests 9 CPUs, .* 8 CPUs")],
)
def test_more_than_there_is_is_refused(resources: dict[str, float], reported: str) -> None:
    with pytest.raises(ResourcesUnmet, match=reported):
        default_workers(job(resources=resources), 8, 0)


def test_gpus_that_no_trial_uses_are_noted() -> None:
    assert unused_gpus(job(), 0) is None
    assert unused_gpus(job(resources={"gpus": 1}), 2) is None
    assert unused_gpus(job(), 2) is not None


def test_a_node_is_recorded_with_its_versions() -> None:
    facts = json.loads(json.dumps(node_facts()))
    assert (facts["host"], facts["versions"]["numpy"]) == (platform.node(), version("numpy"))
