"""What a machine or a cluster has, and how many trials train in parallel there."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from pipeline import Objective, TuneJob, Uniform
from pipeline.errors import InvalidJob, ResourcesUnmet
from pipeline.execution.capacity import cluster_workers, default_workers, local_workers, unused_gpus
from pipeline.execution.provenance import installed, node_facts
from tests.unit.execution.recorded_curves import steps


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


@pytest.mark.parametrize(
    ("resources", "reported"),
    [
        ({"cpus": 4}, "requests 4 CPUs, and no single node of the cluster has that: a node has at most 3 CPUs."),
        ({"cpus": 2, "gpus": 1}, "requests 2 CPUs and 1 GPU, .* at most 3 CPUs and 1 GPU."),
        ({"memory_gigabytes": 9}, "requests 1 CPU and 9 GB of memory, .* at most 3 CPUs and 8 GB of memory."),
        ({"cpus": 9}, "requests 9 CPUs, and no single node of the cluster has that: a node has at most 3 CPUs."),
    ],
)
def test_a_trial_that_no_single_node_fits_is_refused(resources, reported):
    nodes = [(3, 0, 8e9), (3, 0, 4e9), (1, 1, 8e9), (1, 0, 0)]
    with pytest.raises(ResourcesUnmet, match=reported):
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
    ("resources", "cpus", "gpus", "reported"),
    [
        ({"gpus": 1}, 8, 0, "requests 1 GPU, but 0 are available"),
        ({"gpus": 0.5}, 8, 0, "requests 0.5 GPUs, but 0 are available"),
        ({"cpus": 2}, 1, 0, "requests 2 CPUs, but 1 is available"),
        ({"cpus": 9}, 8, 0, "requests 9 CPUs, but 8 are available"),
    ],
)
def test_more_than_there_is_is_refused(resources: dict[str, float], cpus: int, gpus: int, reported: str) -> None:
    with pytest.raises(ResourcesUnmet, match=reported):
        default_workers(job(resources=resources), cpus, gpus)


def test_gpus_that_no_trial_uses_are_noted() -> None:
    assert unused_gpus(job(), 0) is None
    assert unused_gpus(job(resources={"gpus": 1}), 2) is None
    assert unused_gpus(job(), 2) is not None


def test_versions_are_those_of_the_installed_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed(["numpy", "no-such-package"]) == {"python": platform.python_version(), "numpy": version("numpy")}
    facts = json.loads(json.dumps(node_facts()))
    assert (facts["host"], facts["versions"]["numpy"]) == (platform.node(), version("numpy"))
    (tmp_path / "tensorflow_cpu-9.8.dist-info").mkdir()
    (tmp_path / "tensorflow_cpu-9.8.dist-info/METADATA").write_text("Name: tensorflow-cpu\nVersion: 9.8\n")
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert installed(["tensorflow"])["tensorflow"] == "9.8"
