"""Workers that hang, grow or die on real Ray are replaced while the study continues."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from tests.cases import cases
from tests.integration.one_time_events import first

pytestmark = pytest.mark.usefixtures("ray_cluster")


def working(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Reports its process; once, hangs, stops or ends it if the config says so."""
    try:
        for step in range(1, 100):
            if config["trouble"] in ("hang", "stop", "term") and step == 3 and first(config["marker"]):
                if config["trouble"] == "hang":
                    threading.Event().wait()
                os.kill(os.getpid(), signal.SIGTERM if config["trouble"] == "term" else signal.SIGSTOP)
            yield {"score": config["x"] * step, "process": os.getpid()}
    finally:
        # Its worker starts the next trial.
        if config["trouble"] == "die when left" and first(config["marker"]):
            os.kill(os.getpid(), signal.SIGKILL)


def job(**fields: Any) -> TuneJob:
    """Four trials of four steps."""
    defaults: dict[str, Any] = {
        "name": "s",
        "function": working,
        "space": {"x": Uniform(0, 1), "trouble": "none", "marker": ""},
        "objectives": [Objective("score", "max")],
        "scheduler": "fifo",
        "budget": Budget(trials=4, epochs=4),
    }
    return TuneJob(**{**defaults, **fields})


@pytest.mark.parametrize("trouble", cases(("hang", "stop", "term", "die when left"), ("stop",)))
def test_a_worker_that_hangs_or_ends_is_replaced(trouble, tmp_path):
    """A worker that waits forever, is stopped, gets SIGTERM, or dies between two trials costs one more attempt."""
    space = {"x": Uniform(0, 1), "trouble": trouble, "marker": str(tmp_path / "hung")}
    run(job(space=space, resources={"epoch_seconds": 0.5, "workers": 1}), storage=tmp_path)
    results = load_results(tmp_path / "s")
    assert set(results.trials["state"]) == {"completed"}
    assert sorted(results.trials["attempts"]) == [1, 1, 1, 2]
    assert len(results.epochs) == 16
    if trouble in ("hang", "stop"):
        retry = results.decisions[results.decisions["kind"] == "retry"].iloc[0]
        assert "considered hung" in retry["reason"]


def test_a_worker_that_is_too_large_is_replaced_and_reported(tmp_path, capfd):
    limited = job(budget=Budget(trials=2, epochs=4), resources={"worker_gigabytes": 0.001, "workers": 1})
    run(limited, storage=tmp_path)
    results = load_results(tmp_path / "s")
    assert set(results.trials["state"]) == {"completed"}
    assert set(results.trials["attempts"]) == {1}
    assert results.epochs.groupby("trial_id")["process"].nunique().max() == 1
    assert results.epochs["process"].nunique() == 2
    assert set(results.decisions["kind"]) == {"start", "complete"}
    reported = "The worker of trial 0000 ends, and the next trial gets a new process: it uses "
    assert reported in capfd.readouterr().out
    assert reported in (tmp_path / "s/logs/driver.log").read_text()
