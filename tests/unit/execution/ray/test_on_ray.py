"""A study's start and end of Ray."""

import signal
from pathlib import Path
from typing import Any

import pytest
import ray

from pipeline.errors import ClusterError, Interrupted, StorageError
from pipeline.execution.ray import on_ray
from pipeline.execution.run import run
from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.study import Budget, Objective, Resources, TuneJob


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
    """An error of Ray ends the study with that error, also if the log with what Ray printed cannot be written."""

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
