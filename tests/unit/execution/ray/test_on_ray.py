"""A study's start and end of Ray, the cluster that it joins, and what monitoring sees of it; no Ray is started."""

import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.errors import ClusterError, Interrupted, ResourcesUnmet
from pipeline.execution.ray import cluster, on_ray
from pipeline.execution.run import run
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, Resources, TuneJob


def _loss(config: dict[str, Any]) -> float:
    return float(config["x"])


_SIGNALLED = TuneJob(
    name="signalled",
    function=_loss,
    space={"x": Uniform(0, 1)},
    objectives=Objective("loss", "min"),
    budget=Budget(trials=1),
    resources=Resources(workers=1),
)


def signalled_study(folder: str) -> None:
    """A study that is signalled while Ray starts and while it ends, in a process of its own: its end ends a cluster."""
    happened = []

    def with_signal(what: str) -> Any:
        def signalled(*_: Any, **__: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            happened.append(what)

        return signalled

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray, "init", with_signal("started"))
        patch.setattr(ray, "shutdown", with_signal("ended"))
        with pytest.raises(Interrupted):
            run(_SIGNALLED, storage=folder, note=lambda _: None)
    assert happened == ["started", "ended"]


def test_a_signal_waits_while_ray_starts_and_while_it_ends(tmp_path: Path) -> None:
    call = f"from tests.unit.execution.ray import test_on_ray; test_on_ray.signalled_study({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _two_nodes() -> list[dict[str, Any]]:
    nodes = [("a", True, 2.0), ("b", True, 2.0), ("gone", False, 64.0)]
    return [{"NodeID": name, "Alive": alive, "Resources": {"CPU": cpus, "memory": 4e9}} for name, alive, cpus in nodes]


@pytest.mark.parametrize("need", [{"cpus": 3}, {"memory_gigabytes": 5}])
def test_a_trial_that_fits_on_no_node_is_refused(
    need: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", _two_nodes)
    with pytest.raises(ResourcesUnmet, match="a machine has at most"):
        run(_SIGNALLED.replaced({"resources": Resources(**need)}), storage=tmp_path, note=lambda _: None)
    assert not (tmp_path / "signalled").exists()


@pytest.mark.parametrize("address", ["http://here:8265", "here", "here:port", "ray://"])
def test_what_is_no_address_of_a_cluster_is_refused(address: str) -> None:
    with pytest.raises(ClusterError):
        cluster.check_reachable(address)


def test_a_cluster_that_does_not_answer_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(ClusterError, match=f"No Ray cluster can be reached at {address}"):
            run(_SIGNALLED, storage=tmp_path, address=address, note=lambda _: None)
    assert list(tmp_path.iterdir()) == []


def test_only_the_study_and_ray_print_into_its_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path)
    with on_ray.logged_output(store):
        print("tune")
        for name in ("ray_print_logs", "main of a program"):
            thread = threading.Thread(target=print, args=(name,), kwargs={"flush": True}, name=name)
            thread.start()
            thread.join()
    assert store.read_text("logs/driver.log") == "tune\nray_print_logs\n"
    assert capsys.readouterr().out == "main of a program\n"
