"""The loop of a study in the driver's own process."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline.execution.in_process import run_in_process
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.worker.worker import Worker
from pipeline.study import Budget
from tests.recorded_curves import Study


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A score that grows; at the third step something may happen."""
    for step in range(1, 9):
        if step == 3 and (happen := _HAPPENS.get("at")) is not None:
            happen()
        yield {"score": config["x"] * step}


_HAPPENS: dict[str, Any] = {}


@pytest.fixture
def run_study(study: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Plays a study of two trials of four epochs, and returns it; something may happen in the middle."""

    def play(happens: Any = None) -> Study:
        interrupts = Interrupts()
        monkeypatch.setitem(_HAPPENS, "at", None if happens is None else lambda: happens(interrupts))
        s: Study = study(function=climb, budget=Budget(trials=2, epochs=4))
        worker = Worker(s.session.job, None, s.store, session=1, capture=False)
        run_in_process(s.session, worker, interrupts)
        return s

    return play


def _states(s: Study) -> list[tuple[str, int]]:
    return [(trial.state, trial.epoch) for trial in s.session.engine.trials.values()]


def test_one_trial_is_trained_after_the_other(run_study: Any) -> None:
    assert _states(run_study()) == [("completed", 4), ("completed", 4)]


def test_a_signal_ends_the_study_after_the_epochs_in_training(run_study: Any) -> None:

    def signalled(interrupts: Interrupts) -> None:
        interrupts.requested = True

    s = run_study(signalled)
    assert _states(s) == [("completed", 4)]
    assert s.session.engine.interrupted


def test_ctrl_c_in_the_users_code_pauses_the_trial(run_study: Any) -> None:

    def interrupted(_: Interrupts) -> None:
        raise KeyboardInterrupt

    s = run_study(interrupted)
    ((state, epoch),) = _states(s)
    assert (state, s.session.engine.interrupted) == ("paused", True)
    assert epoch < 3
