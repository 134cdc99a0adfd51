"""What a machine or a cluster has, how many trials train in parallel there, and which cluster a study joins."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline import Objective, TuneJob, Uniform, run
from pipeline.errors import ClusterError, Interrupted, ResourcesUnmet
from pipeline.execution.ray import on_ray
from pipeline.execution.ray.cluster import reachable_address
from pipeline.execution.run import _complete
from pipeline.execution.start import fitting_workers, note_unused_gpus
from pipeline.storage import Store
from pipeline.text import notes_to
from tests.recorded_curves import new_study, steps

NODES = [(3, 0, 8e9), (3, 0, 4e9), (1, 1, 8e9), (1, 0, 0)]


def job(**resources: Any) -> TuneJob:
    space, objective = {"x": Uniform(0, 1)}, Objective("score", "max")
    return TuneJob(name="s", function=steps, space=space, objectives=objective, resources=resources)


@pytest.mark.parametrize(("resources", "nodes", "fits"), [
    ({"cpus": 1}, [(8, 2, 8e9)], 8),
    ({"cpus": 3}, [(8, 2, 8e9)], 2),
    ({"gpus": 1}, [(8, 2, 8e9)], 2),
    ({"gpus": 0.25}, [(8, 2, 8e9)], 8),
    ({"cpus": 0.5, "gpus": 0.5}, [(8, 2, 8e9)], 4),
    ({"cpus": 1}, NODES, 8),
    ({"cpus": 2}, NODES, 2),
    ({"memory_gigabytes": 3}, NODES, 4),
])  # fmt: skip
def test_as_many_trials_run_as_fit_on_the_nodes(resources, nodes, fits):
    assert fitting_workers(job(**resources), nodes) == fits


@pytest.mark.parametrize("resources", [{"cpus": 4}, {"cpus": 2, "gpus": 1}, {"memory_gigabytes": 9}])
def test_a_trial_that_no_single_node_fits_is_refused(resources):
    with pytest.raises(ResourcesUnmet, match=r"at most 3 CPUs, 1 GPU( and 8 GB of memory)?\."):
        fitting_workers(job(**resources), NODES)


@pytest.mark.parametrize(("resources", "gpus", "noted"), [({}, 0, 0), ({"gpus": 1}, 2, 0), ({}, 2, 1)])
def test_gpus_that_no_trial_uses_are_noted(resources, gpus, noted):
    notes: list[str] = []
    with notes_to(notes.append):
        note_unused_gpus(job(**resources), [(8, gpus, 8e9)])
    assert len(notes) == noted


@pytest.mark.parametrize("need", [{"cpus": 3}, {"memory_gigabytes": 5}])
def test_a_trial_that_fits_on_no_node_of_a_joined_cluster_is_refused(need, tmp_path: Path, monkeypatch) -> None:
    nodes = [("a", True, 2.0), ("b", True, 2.0), ("gone", False, 64.0)]
    found = [{"NodeID": name, "Alive": alive, "Resources": {"CPU": cpus, "memory": 4e9}} for name, alive, cpus in nodes]
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", lambda: found)
    with pytest.raises(ResourcesUnmet, match="a machine has at most"):
        run(job(**need), storage=tmp_path, note=lambda _: None)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("address", ["http://here:8265", "here", "here:port", "ray://"])
def test_what_is_no_address_of_a_cluster_is_refused(address: str) -> None:
    with pytest.raises(ClusterError):
        reachable_address(address)


def test_a_cluster_that_does_not_answer_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"No Ray cluster can be reached at {address}"):
            run(job(), storage=tmp_path, address=address, note=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def signalled_study(folder: str) -> None:
    """Signalled studies, in a process of their own: while Ray starts, while it ends, and after it has reset SIGTERM."""
    happened: list[str] = []

    def with_signal(what: str, then: Any = None) -> Any:
        return lambda *words, **_: (signal.raise_signal(signal.SIGTERM), happened.append(what), then and then(*words))

    job = new_study(Path(folder) / "other", resources={"workers": 1}).session.job
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", with_signal("started"))
        patch.setattr(ray, "shutdown", with_signal("ended"))
        with pytest.raises(Interrupted):
            run(job, storage=folder, note=lambda _: None)
        patch.undo()
        patch.setattr("pipeline.execution.run._complete", with_signal("completed", _complete))
        assert run(job, storage=folder, note=lambda _: None).state == "ended"
    assert happened == ["started", "ended", "completed"]


@pytest.mark.long
def test_a_signal_waits_while_ray_starts_while_it_ends_and_afterwards(tmp_path: Path) -> None:
    call = f"from tests.unit.execution.ray import test_cluster; test_cluster.signalled_study({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", call], check=True)


def test_what_ray_prints_is_in_the_studys_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    with on_ray.logged_output(store):
        thread = threading.Thread(target=print, args=("ray",), kwargs={"flush": True})
        thread.start()
        thread.join()
    assert store.read_text("logs/driver.log") == "ray\n"
    assert capsys.readouterr().out == ""
