"""A study's start and end of Ray."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.errors import ClusterError, Interrupted, ResourcesUnmet, StorageError
from pipeline.execution.ray import job_transport, on_ray
from pipeline.execution.run import run
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, Resources, TuneJob
from tests.processes import receiving_signals


def _loss(config: dict[str, Any]) -> float:
    return float(config["x"])


_JOB = TuneJob(
    name="signalled",
    function=_loss,
    space={"x": Uniform(0, 1)},
    objectives=Objective("loss", "min"),
    budget=Budget(trials=1),
    resources=Resources(workers=1),
)


def test_a_log_that_cannot_be_written_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of Ray ends the study with that error, even if the log with what Ray printed cannot be written."""

    def fail_to_start(*_: Any) -> None:
        print("raylet: no space")
        raise ClusterError("Ray does not start here.")

    def fail_to_append(*_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    # The cluster of the whole test session stays.
    monkeypatch.setattr(ray, "shutdown", lambda: None)
    monkeypatch.setattr(on_ray, "start", fail_to_start)
    monkeypatch.setattr(Store, "append", fail_to_append)
    with pytest.raises(ClusterError, match=r"Ray does not start here\."):
        run(_JOB, storage=tmp_path, note=lambda _: None)


def test_a_signal_waits_while_ray_starts_and_while_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal while Ray starts or ends takes effect only after that start or end is complete."""
    happened = []

    def with_signal(what: str) -> Any:
        def signalled(*_: Any, **__: Any) -> None:
            signal.raise_signal(signal.SIGTERM)
            happened.append(what)

        return signalled

    # Other tests of this process may have a cluster, which a study would use and leave as it is.
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", with_signal("started"))
    monkeypatch.setattr(ray, "shutdown", with_signal("ended"))
    with pytest.raises(Interrupted, match="before its first epoch"):
        run(_JOB, storage=tmp_path, note=lambda _: None)
    assert happened == ["started", "ended"]


def _two_nodes() -> list[dict[str, Any]]:
    nodes = [("a", True, 2.0), ("b", True, 2.0), ("gone", False, 64.0)]
    return [{"NodeID": name, "Alive": alive, "Resources": {"CPU": cpus, "memory": 4e9}} for name, alive, cpus in nodes]


@pytest.mark.parametrize("need", [{"cpus": 3}, {"memory_gigabytes": 5}])
def test_a_trial_that_fits_on_no_node_is_refused(
    need: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study on a cluster whose nodes have enough together, but none alone, is refused instead of waiting for ever."""
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", _two_nodes)
    with pytest.raises(ResourcesUnmet, match="no single node of the cluster has that"):
        run(_JOB.replaced({"resources": Resources(**need)}), storage=tmp_path, note=lambda _: None)
    assert not (tmp_path / "signalled").exists()


def test_trials_that_wait_for_a_node_are_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study with a number of workers waits for a node that fits, and says so."""
    notes: list[str] = []

    def interrupted(_: TuneJob) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "nodes", _two_nodes)
    monkeypatch.setattr(job_transport, "pack", interrupted)
    with pytest.raises(Interrupted):
        run(_JOB.replaced({"resources": Resources(workers=1, cpus=3)}), storage=tmp_path, note=notes.append)
    assert notes[-1] == (
        "A trial of 'signalled' requests 3 CPUs, and no single node of the cluster has that: a node has at most 2 "
        "CPUs. Trials wait until such a node joins the cluster."
    )


_INTERRUPTED_IMPORT = """
import signal
import sys
from pipeline.execution.interrupts import interruptible
from pipeline.execution.ray.on_ray import run_controller, run_on_ray
from pipeline.storage import Store

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
try:
    with interruptible() as interrupts:
        if "tune" in sys.argv[1]:
            run_controller(None, None, None, 1, {}, None, interrupts)
        run_on_ray(None, Store(sys.argv[2]), None, interrupts)
except KeyboardInterrupt:
    print("interrupted")
from ray import tune
print(tune.Tuner.__name__)
"""


@pytest.mark.parametrize("module", ["ray.actor", "ray.tune.tuner"])
def test_an_interrupt_while_ray_is_imported_leaves_it_importable(tmp_path: Path, module: str) -> None:
    """Ctrl-C in the middle of the import of Ray ends the study, and the next one in the same process can import it."""
    code = [sys.executable, "-c", _INTERRUPTED_IMPORT, module, str(tmp_path)]
    with receiving_signals():
        done = subprocess.run(code, capture_output=True, text=True, check=False, timeout=200)
    assert done.stdout == "interrupted\nTuner\n"
    assert "Traceback" not in done.stderr
