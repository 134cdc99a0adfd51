"""A study's course, driven without a recorder, a store or a clock."""

import json
import math
from typing import Any

import pytest

from pipeline.loop.decision_rows import DecisionRow
from pipeline.loop.messages import ProgressReport
from pipeline.loop.study_loop import StudyLoop
from pipeline.loop.trial import Trial, observation
from pipeline.study import Budget, Objective
from tests.unit.execution.recorded_curves import row
from tests.unit.simulation.simulation_inputs import job


def test_the_budget_uses_the_seconds_of_the_caller():
    """The budget of seconds is measured by the time that the caller passes, not by a clock."""
    now, rows = [0.0], list[DecisionRow]()
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=3, epochs=4, seconds=10)), rows.append, lambda: now[0])
    trial = loop.next()
    report = ProgressReport((row(1, 0.5),), 1)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "continue"
    now[0] = 10.0
    report = ProgressReport((row(2, 0.6),), 2)
    loop.on_report(trial, report)
    assert loop.judge(trial, report) == "stop"
    assert loop.next() is None
    assert [one.kind for one in rows] == ["start", "stop"]
    assert rows[-1].reason == loop.end_reason == "The study's budget of 10 seconds is spent."


def test_running_trials_are_assigned_again_after_a_restore():
    """A loop restored from JSON first continues the trials that were running, then draws new ones."""
    tuned = job(scheduler="fifo", budget=Budget(trials=3, epochs=4))
    first = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    started = [first.next().trial_id, first.next().trial_id]
    second = StudyLoop(tuned, lambda _: None, lambda: 0.0)

    second.restore(first.state())
    for trial in second.trials.values():
        trial.state = "paused"
    second.requeue()
    assert [second.next().trial_id for _ in range(3)] == [*started, "0002"]
    assert second.next() is None
    assert second.running


def test_failures_that_end_first_do_not_end_a_study_in_which_another_trial_trains():
    """Three trials that fail alike do not end a study in which an earlier trial still trains."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=9, epochs=4)), lambda _: None, lambda: 0.0)
    trains, *fail = [loop.next() for _ in range(4)]
    for trial in fail:
        assert loop.judge(trial, ProgressReport(failure="ValueError: no")) == "stop"
    assert loop.next().trial_id == "0004"
    report = ProgressReport((row(1, 0.5),), 1)
    loop.on_report(trains, report)
    assert loop.judge(trains, report) == "continue"


def test_the_first_failures_wait_for_the_trials_that_run():
    """None is drawn while a running one may show that not all fail; its epoch shows it, its failure ends the study."""
    budget = Budget(trials=9, epochs=4)
    for trains in (True, False):
        loop = StudyLoop(job(scheduler="fifo", budget=budget), lambda _: None, lambda: 0.0)
        *fail, last = [loop.next() for _ in range(4)]
        for trial in fail:
            loop.judge(trial, ProgressReport(failure="ValueError: no"))
        assert loop.end_reason is None
        assert loop.next() is None
        report = ProgressReport((row(1, 0.5),), 1) if trains else ProgressReport(failure="ValueError: another")
        loop.on_report(last, report)
        loop.judge(last, report)
        assert (loop.end_reason is None) == trains
        assert (loop.next() is not None) == trains
    assert loop.end_reason == "The first 3 trials failed alike: ValueError: no"


def test_trials_that_all_fail_after_an_epoch_end_the_study():
    """An epoch before the same failure shows nothing."""
    loop = StudyLoop(job(scheduler="fifo", budget=Budget(trials=9, epochs=4)), lambda _: None, lambda: 0.0)
    trials = [loop.next() for _ in range(4)]
    for trial in trials:
        loop.on_report(trial, ProgressReport((row(1, 0.5),), 1))
    for trial in trials:
        assert loop.end_reason is None
        loop.judge(trial, ProgressReport(failure="ValueError: no"))
    assert loop.end_reason is not None
    assert loop.best is None


def _heard(loop: StudyLoop, values: list[float], *, last: bool = False) -> Trial:
    """A new trial's first report, judged."""
    trial = loop.next()
    rows = tuple(row(epoch, value) for epoch, value in enumerate(values, 1))
    report = ProgressReport(rows, len(values), last=last)
    loop.on_report(trial, report)
    loop.judge(trial, report)
    return trial


def test_searchers_hear_every_milestone_of_a_trial_while_it_trains_and_after_a_resume():
    """Running, paused, stopped and ended trials have the losses of their milestones, and nothing between two."""
    tuned = job(scheduler={"kind": "asha", "reduction_factor": 2}, budget=Budget(trials=4, epochs=9))
    loop = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    running = _heard(loop, [0.5, 0.6, 0.7])
    stopped = _heard(loop, [0.1])
    ended = _heard(loop, [0.6, 0.7, 0.8], last=True)
    assert [one.state for one in (running, stopped, ended)] == ["running", "stopped", "completed"]
    curves = [((1, -0.5), (2, -0.6)), ((1, -0.1),), ((1, -0.6), (2, -0.7), (3, -0.8))]
    found = [observation(trial, "max") for trial in loop.trials.values()]
    assert [one.curve for one in found] == curves
    assert [one.state for one in found] == ["open", "known", "known"]
    again = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    again.restore(json.loads(json.dumps(loop.state())))
    assert [observation(trial, "max") for trial in again.trials.values()] == found


def test_a_milestone_that_is_reported_again_changes_nothing():
    """A milestone reported again after a restart changes nothing, and values that are not numbers are ignored."""
    loop = StudyLoop(job(scheduler="asha", budget=Budget(trials=4, epochs=9)), lambda _: None, lambda: 0.0)
    trial = _heard(loop, [0.5])
    loop.on_report(trial, ProgressReport((row(1, 0.9), row(2, math.nan)), 2))
    assert trial.milestones == {1: 0.5}


def test_the_table_has_the_reason_for_each_config():
    """The table has the searcher's reason for each config; random search gives none, initial configs are marked."""
    reasons = {}
    for searcher in ("random", "curves"):
        rows = list[DecisionRow]()
        budget = Budget(trials=9, epochs=2)
        tuned = job(scheduler="fifo", searcher=searcher, start_with=[{"x": 0.5}], budget=budget)
        loop = StudyLoop(tuned, rows.append, lambda: 0.0)
        for number in range(9):
            _heard(loop, [0.1 * number, 0.2 * number], last=True)
        reasons[searcher] = [one.reason for one in rows if one.kind == "start"]
    assert reasons["random"] == ["A config that the study starts with.", *["Drawn by the searcher."] * 8]
    assert [reason.split(",")[0].split(" 0.")[0] for reason in reasons["curves"]] == [
        "A config that the study starts with.",
        *["Random"] * 5,
        *["Expected improvement"] * 2,
        "Random",
    ]


@pytest.mark.parametrize("searcher", ["motpe", "nsga2"])
@pytest.mark.parametrize("scheduler", ["moasha", "promoting-moasha"])
def test_a_study_of_several_objectives_resumes_exactly(scheduler, searcher):
    """A study that is stored and restored after each trial draws, pauses and stops as one without interruptions."""
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=0.9)]
    tuned = job(scheduler=scheduler, searcher=searcher, objectives=objectives, budget=Budget(trials=30, epochs=4))

    def played(interrupted: bool) -> tuple[list[dict[str, Any]], list[Any]]:
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
                state = json.loads(json.dumps(loop.state(), allow_nan=False))
                loop = StudyLoop(tuned, rows.append, lambda: 0.0)
                loop.restore(state)
                loop.requeue()
        return [trial.to_json() for trial in loop.trials.values()], [(one.trial_id, one.kind) for one in rows]

    trials, decisions = played(interrupted=False)
    assert played(interrupted=True) == (trials, decisions)
    assert len(trials) == 30
    assert any(kind == "stop" for _, kind in decisions)
