"""The milestones in reports: values for searchers, decisions of the scheduler."""

import math
from dataclasses import replace

import pytest

from pipeline.engine.messages import ProgressReport
from pipeline.engine.milestones import decision_at_milestones, record_milestones
from pipeline.engine.resume_state import restore
from pipeline.engine.study_loop import StudyLoop
from pipeline.engine.trial import Trial, observation
from pipeline.schedulers import SchedulerContext
from pipeline.study import Budget, Objective, TuneJob
from tests.unit.execution.recorded_curves import first_report, row, saved_state
from tests.unit.simulation.simulation_inputs import job

HALVING = {"kind": "asha", "reduction_factor": 2}


def _job(**fields: object) -> TuneJob:
    return job(scheduler=HALVING, budget=Budget(trials=4, epochs=9), **fields)


def test_searchers_learn_from_every_milestone_of_a_trial_while_it_trains_and_after_a_resume():
    """Running, paused, stopped and ended trials have the losses of their milestones, and nothing between two."""
    tuned = job(scheduler={"kind": "asha", "reduction_factor": 2}, budget=Budget(trials=4, epochs=9))
    loop = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    running = first_report(loop, [0.5, 0.6, 0.7])
    stopped = first_report(loop, [0.1])
    ended = first_report(loop, [0.6, 0.7, 0.8], last=True)
    assert [one.state for one in (running, stopped, ended)] == ["running", "stopped", "completed"]
    curves = [((1, -0.5), (2, -0.6)), ((1, -0.1),), ((1, -0.6), (2, -0.7), (3, -0.8))]
    found = [observation(trial, "max") for trial in loop.trials.values()]
    assert [one.curve for one in found] == curves
    assert [one.state for one in found] == ["open", "known", "known"]
    again = StudyLoop(tuned, lambda _: None, lambda: 0.0)
    restore(again, saved_state(loop))
    assert [observation(trial, "max") for trial in again.trials.values()] == found


def test_a_milestone_that_is_reported_again_changes_nothing():
    """A milestone reported again after a restart changes nothing, and values that are not numbers are ignored."""
    loop = StudyLoop(job(scheduler="asha", budget=Budget(trials=4, epochs=9)), lambda _: None, lambda: 0.0)
    trial = first_report(loop, [0.5])
    loop.on_report(trial, ProgressReport((row(1, 0.9), row(2, math.nan)), 2))
    assert trial.milestones == {1: 0.5}


def test_values_after_an_exploit_are_not_kept() -> None:
    """Values of a later segment are not kept, because another config trained the weights."""
    trial = Trial("0000", {"x": 0.5}, 0, segment=2)
    record_milestones(_job(), trial, ProgressReport((row(2, 0.5),), 2))
    assert trial.milestones == {}


@pytest.mark.parametrize("last", [False, True])
def test_the_end_of_a_trial_counts_as_a_milestone(last: bool) -> None:
    """An epoch between two milestones is kept only if it is the last one of its trial."""
    trial = Trial("0000", {"x": 0.5}, 0)
    record_milestones(_job(), trial, ProgressReport((row(3, 0.5),), 3, last=last))
    assert trial.milestones == ({3: 0.5} if last else {})


def test_values_of_all_objectives_are_kept_where_there_are_several() -> None:
    """With several objectives a milestone keeps the value of each, with None for a missing one."""
    objectives = [Objective("score", "max"), Objective("size", "min")]
    trial = Trial("0000", {"x": 0.5}, 0)
    tuned = _job(objectives=objectives)
    record_milestones(tuned, trial, ProgressReport((row(1, 0.5, size=3.0), row(2, 0.6)), 2))
    assert trial.measures == {1: (0.5, 3.0), 2: (0.6, None)}
    single = Trial("0001", {"x": 0.5}, 0)
    record_milestones(_job(), single, ProgressReport((row(1, 0.5),), 1))
    assert (single.milestones, single.measures) == ({1: 0.5}, {})


def test_the_first_milestone_that_ends_a_trial_decides() -> None:
    """If a report passes several milestones, the first that stops the trial decides; other epochs decide nothing."""
    tuned = _job()
    scheduler = tuned.scheduler.build(SchedulerContext(tuned.space, "max", 9, 4, 0))
    for number, value in enumerate((0.8, 0.9)):
        scheduler.add(f"000{number}", {"x": 0.5})
        scheduler.on_result(f"000{number}", 1, value)
    trial = Trial("0002", {"x": 0.5}, 0)
    scheduler.add(trial.trial_id, trial.config)

    between = decision_at_milestones(tuned, scheduler, trial, ProgressReport((row(3, 0.1),), 3))
    assert (between.action, between.reason) == ("continue", "Between two milestones.")
    both = decision_at_milestones(tuned, scheduler, trial, ProgressReport((row(1, 0.1), row(2, 0.95)), 2))
    assert (both.action, both.rung) == ("stop", 1)


def test_a_milestone_that_was_not_validated_decides_nothing() -> None:
    """An epoch without validation that a smaller budget of epochs has made a milestone is skipped."""
    tuned = _job().replaced({"budget.epochs": 5})
    scheduler = tuned.scheduler.build(SchedulerContext(tuned.space, "max", 5, 4, 0))
    trial = Trial("0000", {"x": 0.5}, 0)
    scheduler.add(trial.trial_id, trial.config)
    unvalidated = replace(row(5, 0.5), metrics={"loss": 0.1})
    found = decision_at_milestones(tuned, scheduler, trial, ProgressReport((row(4, 0.4), unvalidated), 7, last=True))
    assert (found.action, found.rung) == ("continue", 4)
