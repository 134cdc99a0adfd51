"""Events of a study → its decisions."""

import math

import pytest

from pipeline.engine import draws
from pipeline.engine.commands import ChangeBudget, StopTrial
from pipeline.engine.draws import observation, own_draw, suggestion_of_trial
from pipeline.engine.messages import Assignment, Report
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.schedulers import PBT, SCHEDULERS, PromotingASHA
from pipeline.space import Choice, Uniform
from pipeline.study import Budget, Objective
from tests.unit.engine.play import Play, job, row

HALVING = PromotingASHA(grace_period=1, reduction_factor=2)


def test_trials_are_drawn_and_started_with_their_reason_up_to_the_limit():
    play = Play(budget=Budget(trials=2, epochs=4))
    trials = [play.next(), play.next()]
    assert play.engine.next() is None
    assert [(one.trial_id, one.kind, one.epoch, one.config_after, one.reason) for one in play.decisions] == [
        (trial.trial_id, "start", 0, trial.config, "Drawn by the searcher.") for trial in trials
    ]
    assert play.engine.running
    assert not play.engine.exhausted


def test_a_promotion_is_one_decision_with_its_rung():
    play = Play(scheduler=HALVING)
    for value in (0.1, 0.4):
        assert play.report(play.next(), value) == "pause"
    assert play.next().trial_id == "0001"
    promoted = play.decisions[-1]
    assert (promoted.kind, promoted.epoch, promoted.rung) == ("promote", 1, 1)
    assert promoted.cutoff == promoted.value == 0.4


def test_where_a_trial_ends_early_no_other_is_promoted_to_the_end():
    play = Play(scheduler=HALVING, budget=Budget(trials=2, epochs=4))
    for value in (0.9, 0.1):
        play.report(play.next(), value)
    play.report(play.next(), 0.95, last=True)
    assert play.engine.next() is None
    assert play.kinds() == ["start", "pause", "start", "pause", "promote", "complete", "stop"]
    assert "ended early" in play.decisions[-2].reason


def test_an_exploit_begins_a_segment_with_the_other_trials_weights():
    play = Play(scheduler=PBT(interval=1, quantile=0.5), budget=Budget(trials=2, epochs=9), session=3)
    first, second = play.next(), play.next()
    before = second.config
    assert play.report(first, 0.9) == "continue"
    assert play.report(second, 0.1) == "pause"
    assert play.kinds("0001") == ["start", "exploit", "explore"]
    exploit, explore = play.decisions[-2:]
    assert (exploit.config_before, exploit.config_after, explore.config_after) == (before, first.config, second.config)
    assignment = play.engine.assignment(second)
    assert (assignment.segment, assignment.segment_session, assignment.epoch) == (2, 3, 1)
    assert (assignment.parent_trial, assignment.parent_epoch, second.milestones) == ("0000", 1, {})


def test_the_first_milestone_of_a_report_that_ends_a_trial_decides():
    play = Play(scheduler={"kind": "asha", "reduction_factor": 2}, budget=Budget(trials=4, epochs=9))
    for values in ((0.8, 0.9), (0.9, 0.95)):
        play.report(play.next(), *values)
    trial = play.next()
    assert play.report(trial, 0.1, 0.99, 0.99) == "stop"
    assert (play.decisions[-1].kind, play.decisions[-1].rung, trial.epoch) == ("stop", 1, 3)


def test_milestones_are_kept_once_with_all_objectives_and_not_after_an_exploit():
    objectives = [Objective("score", "max"), Objective("size", "min")]
    play = Play(scheduler="asha", objectives=objectives, budget=Budget(trials=4, epochs=9))
    trial = play.next()
    play.engine.on_report(trial.trial_id, Report([row(1, 0.5, size=3.0), row(2, math.nan, size=2.0)]))
    play.engine.on_report(trial.trial_id, Report([row(1, 0.9, size=1.0), row(2, 0.6)]))
    assert trial.milestones == {1: (0.5, 3.0), 2: (0.6, None)}
    play.report(trial, 0.7, last=True)
    assert trial.milestones == {1: (0.5, 3.0), 2: (0.6, None), 3: (0.7, None)}


def test_a_lost_worker_leads_to_another_attempt_until_it_is_lost_four_times_without_progress():
    play = Play()
    trial = play.next()
    for attempt in (2, 3, 4):
        assert play.engine.on_worker_lost("0000", "killed.").attempt == attempt
    assert play.engine.failures_left("0000") == 0
    play.report(trial, 0.1)
    assert play.engine.failures_left("0000") == 3
    play.engine.on_worker_lost("0000", "killed.")
    play.report(trial, 0.1, start=1)
    assert play.engine.failures_left("0000") == 2
    play.report(trial, 0.1)
    for _ in range(3):
        play.engine.on_worker_lost("0000", "killed.")
    assert play.engine.on_worker_lost("0000", "killed.") is None
    assert trial.state == "failed"
    assert play.kinds() == ["start", *["retry"] * 7, "fail"]
    assert play.engine.on_worker_lost("0000", "again.") is None


def test_a_trial_that_fails_is_no_longer_the_best():
    play = Play()
    first, second = play.next(), play.next()
    play.report(first, 0.9)
    play.report(second, 0.5)
    assert play.engine.best is first
    play.fail(first)
    assert play.engine.best is second
    play.fail(second)
    assert play.engine.best is None


def test_a_trial_is_new_until_a_worker_may_have_had_it():
    play = Play()
    first, second = play.next(), play.next()
    assert play.engine.assignment(first).new
    play.report(first, 0.1)
    assert not play.engine.assignment(first).new
    assert not play.engine.on_worker_lost(second.trial_id, "killed.").new
    later = Play(session=2)
    assert not later.engine.assignment(later.next()).new


def test_equal_first_failures_wait_for_running_trials_and_then_end_the_study():
    for trains in (True, False):
        play = Play(budget=Budget(trials=9, epochs=4))
        *fail, last = [play.next() for _ in range(4)]
        for trial in fail:
            play.fail(trial)
        assert play.engine.end_reason is None
        assert play.engine.next() is None
        play.report(last, 0.5) if trains else play.fail(last, "ValueError: another")
        assert (play.engine.end_reason is None) == trains
        assert (play.engine.next() is not None) == trains


def test_the_budget_uses_the_callers_seconds_and_cuts_trials_off():
    play = Play(budget=Budget(trials=3, epochs=4, seconds=10))
    trial = play.next()
    assert play.report(trial, 0.5) == "continue"
    play.now = 10.0
    assert play.report(trial, 0.6) == "stop"
    assert play.engine.next() is None
    assert (play.kinds(), trial.cut_off) == (["start", "stop"], True)
    assert play.decisions[-1].reason == play.engine.end_reason


def test_an_interrupted_study_pauses_its_trials_and_a_late_report_ends_none():
    play = Play()
    trial = play.next()
    play.engine.interrupt(by_user="A user stopped the study.")
    play.report(trial, 0.5)
    assert (trial.state, trial.cut_off) == ("paused", False)
    assert [(one.trial_id, one.kind) for one in play.decisions[1:]] == [(None, "stop"), ("0000", "pause")]
    assert play.engine.next() is None


def test_trials_count_as_changed_until_they_are_written():
    play = Play()
    first, second = play.next(), play.next()
    play.report(first, 0.1)
    assert play.engine.changed == {"0000", "0001"}
    play.engine.on_report("0001", Report([row(1, 0.2)], checkpoints=[("0000", 1, 10), ("0001", 1, 10)]))
    play.engine.written({"0000", "0001"}, deleted=[("0000", 1)])
    assert play.engine.changed == {"0000"}
    assert (first.checkpoints, second.checkpoints) == (set(), {1})
    play.report(second, 0.3)
    play.engine.written({"0000"}, deleted=[])
    play.command(StopTrial(trial_id="0000"))
    assert play.engine.changed == {"0000", "0001"}


def test_a_listing_keeps_known_files_and_those_of_the_last_and_the_best_epoch():
    play = Play()
    trial, other = play.next(), play.next()
    play.report(trial, 0.1, 0.9, 0.2)
    trial.checkpoints = {1}
    files = [("0000", 1), ("0000", 2), ("0000", 3), ("0000", 7), ("0001", 4)]
    assert play.engine.on_listing(files) == {"0000", "0001"}
    assert (trial.checkpoints, other.checkpoints) == ({1, 2, 3}, {4})


def _ends(scheduler: str, trials: int, *, then: int) -> list[tuple[str, str, int]]:
    tuned = job(scheduler=scheduler, searcher="random", budget=Budget(trials=trials, epochs=9))
    play, reports = Play(tuned), 0
    while (trial := play.engine.next()) is not None:
        verdict = "continue"
        while verdict == "continue":
            epoch = tuned.scheduler.next_milestone(trial.epoch, 9)
            report = Report([row(epoch, float(trial.config["x"]) + epoch / 100)], last=epoch == 9)
            verdict, reports = play.engine.on_report(trial.trial_id, report), reports + 1
            if reports == 3:
                play.command(ChangeBudget(trials=then))
    return [(trial.trial_id, trial.state, trial.epoch) for trial in play.engine.trials.values()]


@pytest.mark.parametrize("scheduler", sorted(SCHEDULERS))
@pytest.mark.parametrize(("before", "after"), [(12, 6), (6, 12)])
def test_a_study_whose_number_of_trials_changes_early_ends_as_one_that_began_with_it(scheduler, before, after):
    assert _ends(scheduler, before, then=after) == _ends(scheduler, after, then=after)


def test_assignments_and_reports_come_back_equal_from_another_process():
    assignment = Assignment("0001", {"x": [1, None]}, 7, parent_trial="0000", parent_epoch=3)
    assert Assignment.from_json(assignment.to_json()) == assignment
    report = Report([row(3, 0.5)], last=True, failure="é", checkpoints=[["0003", 10, 7]], exported={"a": 0.1})
    assert Report.from_bytes(report.to_bytes()) == report
    assert math.isnan(Report.from_bytes(Report([row(3, math.nan)]).to_bytes()).rows[0]["metrics"]["score"])
    assert (report.epoch, Report().epoch) == (3, 0)


def _drawn(tuned, count: int, value=None) -> list[Trial]:
    draw, trials = own_draw(tuned), list[Trial]()
    for index in range(count):
        trial = Trial(f"{index:04d}", draw(index, trials, ()).config, state="completed")
        if value is not None:
            trial.best = BestEpoch(value(trial.config), 1, config=trial.config)
        trials.append(trial)
    return trials


@pytest.mark.parametrize("others", [(), (Objective("size", "min"),)])
def test_a_searcher_of_several_objectives_learns_all_of_them(monkeypatch, others):
    known = []
    monkeypatch.setattr(draws, "suggestion_of_trial", lambda _job, _index, history, **_: known.extend(history))
    tuned = job(searcher="motpe", space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max"), *others])
    best = BestEpoch(0.5, 1, values=(0.5, 2.0)[: 1 + len(others)], config={"x": 1.0})
    own_draw(tuned)(1, [Trial("0000", {"x": 1.0}, state="stopped", best=best)], ())
    assert [one.losses for one in known] == [(-0.5, 2.0) if others else ()]


def test_a_best_config_of_an_earlier_space_is_not_learned_from():
    tuned = job(searcher="tpe", space={"x": Uniform(0, 1), "kind": Choice(["a", "b"])})
    draw, trials = own_draw(tuned), _drawn(tuned, 12, value=lambda config: config["x"])
    trials[5].state = "running"
    trials[5].best = BestEpoch(0.5, 1, config={"x": 0.5, "kind": "no longer listed"})
    draw(12, trials, ())
    trials[5].state = "completed"
    assert draw(12, trials, {trials[5].trial_id}).config["kind"] in ("a", "b")


@pytest.mark.parametrize("scheduler", ["asha", "promoting-asha", "pbt", "hyperband"])
def test_a_searcher_learns_from_all_trials_as_they_are_although_few_have_changed(monkeypatch, scheduler):
    tuned = job(scheduler=scheduler, searcher="tpe", budget=Budget(trials=30, epochs=9))
    known, changes = [], []

    def suggestion(*arguments, **options):
        known[:] = list(arguments[2])
        return suggestion_of_trial(*arguments, **options)

    monkeypatch.setattr(draws, "suggestion_of_trial", suggestion)
    own = own_draw(tuned)

    def compared(index, trials, changed):
        changes.append(len(changed))
        drawn = own(index, trials, changed)
        assert known == [observation(trial, "max") for trial in trials]
        return drawn

    play = Play(tuned, draw=compared)
    running = [play.next() for _ in range(3)]
    while running:
        trial = running.pop(0)
        epoch = tuned.scheduler.next_milestone(trial.epoch, 9)
        values = [trial.config["x"] * at for at in range(trial.epoch + 1, epoch + 1)]
        if play.report(trial, *values, last=epoch == 9) == "continue":
            running.append(trial)
        elif (taken := play.engine.next()) is not None:
            running.append(taken)
    assert len(changes) == 30
    assert max(changes[1:]) < 15
