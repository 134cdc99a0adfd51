"""A study's state as JSON, and the session that continues from it."""

import json
import math

import pytest

from pipeline.engine.commands import StopTrial
from pipeline.engine.messages import Report
from pipeline.engine.trial import StateText
from pipeline.schedulers import PBT
from pipeline.searchers import SEARCHERS
from pipeline.space import Choice, Switch, Uniform
from pipeline.study import Budget, Objective
from tests.unit.engine.play import Play, job, row


def test_a_value_that_is_not_finite_is_null():
    play = Play()
    play.next().value = math.nan
    assert json.loads(StateText(play.engine.saved_state).text())["trials"][0]["value"] is None


def test_running_trials_continue_before_new_ones_are_drawn():
    first = Play(budget=Budget(trials=3, epochs=4))
    started = [first.next().trial_id, first.next().trial_id]
    second = first.resumed()
    assert [second.next().trial_id for _ in range(3)] == [*started, "0002"]
    assert second.engine.next() is None
    assert second.kinds() == ["resume", "resume", "start"]


def test_a_failed_trial_is_not_the_best_of_the_next_session_either():
    first = Play()
    failed, other = first.next(), first.next()
    first.report(failed, 0.9)
    first.report(other, 0.1)
    first.fail(failed)
    assert first.engine.best is other
    assert first.resumed().engine.best.trial_id == other.trial_id


def test_a_trial_that_was_to_be_stopped_is_stopped_at_once():
    first = Play()
    first.next()
    first.command(StopTrial(trial_id="0000"), "c1")
    second = first.resumed()
    assert second.engine.trials["0000"].state == "stopped"
    assert second.next().trial_id == "0001"
    assert second.command(StopTrial(trial_id="0001"), "c1") == first.engine.outcomes["c1"]


def test_trials_that_a_smaller_budget_had_ended_continue():
    first = Play(budget=Budget(trials=3, epochs=2, total_epochs=3))
    completed, cut_off, by_user = [first.next() for _ in range(3)]
    first.command(StopTrial(trial_id=by_user.trial_id))
    first.report(completed, 0.1, 0.2, last=True)
    assert "early" not in first.decisions[-1].reason
    first.report(cut_off, 0.1)
    first.report(by_user, 0.1)
    assert [trial.state for trial in first.engine.trials.values()] == ["completed", "stopped", "stopped"]
    same = first.resumed()
    assert same.engine.next() is None
    assert same.decisions == []
    larger = first.resumed(**{"budget.epochs": 4, "budget.total_epochs": None})
    assert [trial.state for trial in larger.engine.trials.values()] == ["paused", "paused", "stopped"]


def test_a_trial_that_has_reached_the_target_trains_on_to_another():
    first = Play(budget=Budget(trials=2, epochs=9, target=0.9))
    first.report(first.next(), 0.5, last=True)
    first.report(first.next(), 0.95, last=True)
    later = first.resumed(**{"budget.target": 0.99})
    assert [trial.state for trial in later.engine.trials.values()] == ["completed", "paused"]


@pytest.mark.parametrize(("files", "state"), [((), "stopped"), ([("0000", 1)], "paused")])
def test_a_segment_whose_checkpoints_are_gone_is_not_continued(files, state):
    first = Play(scheduler=PBT(interval=1, quantile=0.5), budget=Budget(trials=2, epochs=9, total_epochs=2))
    first.report(first.next(), 0.9)
    first.report(first.next(), 0.1)
    second = first.resumed(files=files, **{"budget.total_epochs": None})
    assert second.engine.trials["0001"].state == state
    assert (second.kinds("0001") == ["stop"]) == (state == "stopped")


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_searcher_draws_the_same_after_a_resume(searcher):
    space = {"x": Uniform(0, 1), "s": Switch({"a": {}, "b": {"y": Uniform(0, 1)}}), "z": Uniform(0, 1)}
    if searcher == "grid":
        space = {"x": Choice([i / 18 for i in range(18)])}
    tuned = job(searcher=searcher, space=space, budget=Budget(trials=18, epochs=2))

    def configs(cut: int | None) -> list:
        play = Play(tuned)
        for number in range(18):
            if number == cut:
                play = play.resumed()
            trial = play.next()
            x = float(trial.config["x"])
            play.report(trial, -((x - 0.3) ** 2), 0.01 - (x - 0.3) ** 2, last=True)
        return [trial.config for trial in play.engine.trials.values()]

    assert configs(13) == configs(None)


@pytest.mark.parametrize("scheduler", ["moasha", "promoting-moasha"])
def test_a_study_of_several_objectives_resumes_exactly(scheduler):
    objectives = [Objective("score", "max"), Objective("size", "min", at_most=0.9)]
    tuned = job(scheduler=scheduler, searcher="motpe", objectives=objectives, budget=Budget(trials=30, epochs=4))

    def played(*, interrupted: bool) -> tuple:
        play, decisions = Play(tuned), []
        while (trial := play.engine.next()) is not None:
            verdict = "continue"
            while verdict == "continue":
                epoch, x = tuned.scheduler.next_milestone(trial.epoch, 4), float(trial.config["x"])
                rows = [row(at, x * at, size=x) for at in range(trial.epoch + 1, epoch + 1)]
                verdict = play.engine.on_report(trial.trial_id, Report(rows, last=epoch == 4))
            if interrupted:
                decisions += play.decisions
                play = play.resumed(session=1)
        decisions += play.decisions
        return play.engine.saved_state().trials, [(one.trial_id, one.kind) for one in decisions]

    trials, decisions = played(interrupted=False)
    assert played(interrupted=True) == (trials, decisions)
    assert len(trials) == 30
    assert any(kind == "stop" for _, kind in decisions)
