"""The state of a study as text, of which only changed trials are converted again, and back."""

import json
from typing import Any

import pytest

from pipeline.engine.decision_rows import DecisionRow
from pipeline.engine.messages import ProgressReport
from pipeline.engine.resume_state import ResumeState, restore
from pipeline.engine.study_loop import StudyLoop
from pipeline.study import Budget, Objective
from tests.unit.execution.recorded_curves import row, saved_state
from tests.unit.simulation.simulation_inputs import job


def test_only_changed_trials_are_converted_again():
    """The text of a state equals the whole state if each changed trial is named, and others keep their text."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4)), lambda _: None, lambda: 0.0)
    texts = ResumeState(loop).texts
    assert json.loads(texts()["trials"]) == []
    first, second = loop.next(), loop.next()
    texts()
    for trial in (first, second):
        loop.on_report(trial, ProgressReport((row(1, 0.5),), 1))
    assert [trial["epoch"] for trial in json.loads(texts({first.trial_id})["trials"])] == [1, 0]
    whole = {name: json.loads(text) for name, text in texts({second.trial_id}).items()}
    assert whole == saved_state(loop)
    assert list(whole) == ["trials", "scheduler", "outcomes", "paused", "enqueued"]


@pytest.mark.parametrize("reason", ["Loss is NaN.", "Infinity and \u00fc", "No file \udc80.csv"])
def test_any_text_of_a_trial_is_in_the_state(reason):
    """The state holds each text of a trial unchanged: names of numbers, letters beyond ASCII, and undecodable bytes."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=1, epochs=4)), lambda _: None, lambda: 0.0)
    trial = loop.next()
    trial.error = reason
    (stored,) = json.loads(ResumeState(loop).texts()["trials"])
    assert stored["error"] == reason


def test_a_state_with_a_number_that_json_lacks_is_refused(monkeypatch):
    """A state with an infinite number is an error, because a file with it would not be JSON."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=1, epochs=4)), lambda _: None, lambda: 0.0)
    monkeypatch.setattr(loop.scheduler, "state", lambda: {"value": float("inf")})
    with pytest.raises(ValueError, match="JSON"):
        ResumeState(loop).texts()


def test_running_trials_are_assigned_again_after_a_restore():
    """A loop restored from JSON first continues the trials that were running, then draws new ones."""
    tuned = job(scheduler="fifo", budget=Budget(trials=3, epochs=4))
    first = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    started = [first.next().trial_id, first.next().trial_id]
    second = StudyLoop(tuned, lambda _: None, lambda: 0.0)

    restore(second, saved_state(first))
    for trial in second.trials.values():
        trial.state = "paused"
    second.requeue()
    assert [second.next().trial_id for _ in range(3)] == [*started, "0002"]
    assert second.next() is None
    assert second.queue.running


@pytest.mark.parametrize("searcher", ["motpe", "nsga2"])
@pytest.mark.parametrize("scheduler", ["moasha", "promoting-moasha"])
def test_a_study_of_several_objectives_resumes_exactly(scheduler, searcher):
    """A study that is stored and restored after each trial draws, pauses and stops as one without interruptions."""
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=0.9)]
    tuned = job(scheduler=scheduler, searcher=searcher, objectives=objectives, budget=Budget(trials=30, epochs=4))

    def simulated(interrupted: bool) -> tuple[list[dict[str, Any]], list[Any]]:
        rows = list[DecisionRow]()
        loop = StudyLoop(tuned, rows.append, lambda: 0.0)
        while (trial := loop.next()) is not None:
            verdict = "continue"
            while verdict == "continue":
                epoch = tuned.scheduler.next_milestone(trial.epoch, 4)
                x = float(trial.config["x"])
                epochs = tuple(row(at, x * at, size=x) for at in range(trial.epoch + 1, epoch + 1))
                report = ProgressReport(epochs, epoch, last=epoch == 4)
                loop.on_report(trial, report)
                verdict = loop.judge(trial, report)
            if interrupted:
                state = saved_state(loop)
                loop = StudyLoop(tuned, rows.append, lambda: 0.0)
                restore(loop, state)
                loop.requeue()
        return [trial.to_json() for trial in loop.trials.values()], [(one.trial_id, one.kind) for one in rows]

    trials, decisions = simulated(interrupted=False)
    assert simulated(interrupted=True) == (trials, decisions)
    assert len(trials) == 30
    assert any(kind == "stop" for _, kind in decisions)
