"""A session: what runs next, what goes on, and why."""

import json
import math
import time
from collections.abc import Mapping
from typing import Any

import pytest

from pipeline.course.messages import FINISH, Report
from pipeline.course.trial import Trial, tried
from pipeline.errors import ModelError, StorageError
from pipeline.searchers import SEARCHERS
from pipeline.space import Choice, Switch, Uniform
from pipeline.study import Budget, Objective
from tests.unit.execution.played import kinds, row, steps


def test_every_trial_of_the_plain_scheduler_is_trained_to_its_end(study):
    """Four trials of four epochs: all completed, sixteen epochs, drawn in order."""
    s = study()
    assert s.play(lambda _t, config, e: config["x"] * e) == ["0000", "0001", "0002", "0003"]
    assert {trial.state for trial in s.session.trials.values()} == {"completed"}
    assert s.session.total_epochs == 16
    s.recorder.close("finished")
    assert kinds(s, "0002") == ["start", "finish"]


def test_the_best_is_the_earlier_epoch_then_the_lower_trial(study):
    """Equal values: the study's best is the one that came at the earlier epoch, whoever was first to report."""
    s = study()
    s.play(lambda t, _c, e: 1.0 if e >= {"0000": 3, "0001": 2, "0002": 2, "0003": 4}[t] else 0.0)
    assert (s.session.best.trial_id, s.session.best.best_epoch) == ("0001", 2)


def test_minimising_keeps_the_smallest(study):
    """With mode min the best is the smallest value."""
    s = study(objectives=[Objective("score", "min")])
    s.play(lambda t, _c, e: float(int(t)) + e)
    assert s.session.best.trial_id == "0000"
    assert s.session.best.best == 1.0


def test_a_value_that_is_not_finite_fails_the_trial_and_is_never_best(study):
    """A trial that ends in NaN is failed; its earlier good epoch is not the study's best."""
    s = study()
    first = s.session.next()
    s.session.report(first.trial_id, Report((row(1, 9.0), row(2, math.nan)), 2, failure="score is nan at epoch 2."))
    assert s.session.trials["0000"].state == "failed"
    s.play(lambda _t, _c, e: 0.1 * e)
    assert s.session.best.trial_id == "0001"


def test_three_trials_failing_alike_end_the_study(study):
    """The same error three times in a row and nothing achieved: no fourth trial is drawn."""
    s = study(budget=Budget(trials=10, epochs=4))
    for _ in range(3):
        assignment = s.session.next()
        s.session.report(assignment.trial_id, Report(failure="ValueError: no such layer\n\ntraceback"))
    assert s.session.next() is None
    assert "The first 3 trials failed alike: ValueError: no such layer" in s.session.over


def test_trials_failing_differently_do_not_end_the_study(study):
    """Three different errors are three unlucky configs."""
    s = study(budget=Budget(trials=10, epochs=4))
    for number in range(3):
        s.session.report(s.session.next().trial_id, Report(failure=f"ValueError: {number}"))
    assert s.session.next() is not None


def test_a_model_that_cannot_be_used_ends_the_study_at_once(study):
    """What is wrong with every trial is told once, as the user's mistake."""
    s = study()
    s.session.report(s.session.next().trial_id, Report(unusable="build_model returned None."))
    assert isinstance(s.session.fatal, ModelError)
    assert s.session.next() is None


def test_the_budget_of_epochs_stops_running_and_paused_trials_with_a_reason(study):
    """Once the study's epochs are spent nothing goes on, and every trial says why."""
    s = study(budget=Budget(trials=4, epochs=4, total_epochs=6))
    a, b = s.session.next(), s.session.next()
    assert s.session.report(a.trial_id, Report((row(1, 0.1), row(2, 0.2), row(3, 0.3)), 3)) == "continue"
    assert s.session.report(b.trial_id, Report((row(1, 0.1), row(2, 0.2), row(3, 0.3)), 3)) == "stop"
    assert s.session.report(a.trial_id, Report((row(4, 0.4),), 4, last=True)) == "stop"
    assert s.session.next() is None
    assert {t.state for t in s.session.trials.values()} == {"completed", "stopped"}
    s.recorder.close("finished")
    reasons = [r["reason"] for r in s.store.read_table("decisions").to_pylist() if r["kind"] == "stop"]
    assert reasons == ["The study's budget of 6 epochs is spent."]


def test_the_target_ends_the_study(study):
    """A value as good as the target is enough: the rest is not drawn."""
    s = study(budget=Budget(trials=4, epochs=4, target=0.5))
    s.session.report(s.session.next().trial_id, Report((row(1, 0.6),), 1, last=True))
    assert s.session.next() is None
    assert "target" in s.session.over


def test_a_lost_worker_is_replaced_three_times_and_then_fails_the_trial(study):
    """Four attempts in all; each retry is a decision with its reason."""
    s = study()
    trial_id = s.session.next().trial_id
    assert [s.session.lost(trial_id, "killed.") is not None for _ in range(4)] == [True, True, True, False]
    assert s.session.trials[trial_id].state == "failed"
    s.recorder.close("finished")
    assert kinds(s, trial_id) == ["start", "retry", "retry", "retry", "fail"]


def test_a_trial_that_gets_on_may_lose_any_number_of_workers(study):
    """Machines are taken away for days: only losses without a new epoch in between count against a trial."""
    s = study(budget=Budget(trials=1, epochs=12))
    trial_id = s.session.next().trial_id
    for epoch in range(1, 12):
        assert s.session.lost(trial_id, "taken away.") is not None
        s.session.report(trial_id, Report((row(epoch, 0.1, attempt=epoch + 1),), epoch))
    assert s.session.losses_left(trial_id) == 3
    assert s.session.trials[trial_id].attempt == 12


def test_an_epoch_trained_again_is_no_progress(study):
    """A trial that kills its worker at the same epoch each time has failed after the fourth."""
    s = study(budget=Budget(trials=1, epochs=4))
    trial_id = s.session.next().trial_id
    told = []
    for attempt in range(1, 5):
        s.session.report(trial_id, Report((row(1, 0.1, attempt=attempt),), 1))
        told.append(s.session.lost(trial_id, "out of memory.") is not None)
    assert told == [True, True, True, False]


def test_epochs_trained_again_after_a_lost_worker_count_once(study):
    """A second attempt repeats epochs 2 and 3: the table has each once, from the newer attempt."""
    s = study(budget=Budget(trials=1, epochs=4))
    trial_id = s.session.next().trial_id
    s.session.report(trial_id, Report((row(1, 0.1), row(2, 0.2), row(3, 0.3)), 3))
    s.session.lost(trial_id, "killed.")
    again = tuple(row(e, 0.1 * e, attempt=2) for e in (2, 3, 4))
    s.session.report(trial_id, Report(again, 4, last=True))
    assert s.session.total_epochs == 4
    s.recorder.close("finished")
    rows = s.store.read_table("epochs").to_pylist()
    assert [(r["epoch"], r["attempt"]) for r in rows] == [(1, 1), (2, 2), (3, 2), (4, 2)]


def test_a_session_goes_on_from_the_state_of_the_last(study):
    """Interrupted in the middle and restored in another session, the study ends as it would have."""
    whole = study("whole", scheduler="asha", budget=Budget(trials=6, epochs=8))
    whole.play(lambda _t, config, e: config["x"] * e)
    first = study("cut", scheduler="asha", budget=Budget(trials=6, epochs=8))
    trial_id = first.session.next().trial_id
    first.session.report(trial_id, Report((row(1, first.session.trials[trial_id].config["x"]),), 1))
    first.session.interrupt()
    second = study("second", scheduler="asha", budget=Budget(trials=6, epochs=8))
    second.session.restore(first.session.state(), budget_before=8)
    second.play(lambda _t, config, e: config["x"] * e)
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best) for t in s.session.trials.values()}  # noqa: E731
    assert ends(second) == ends(whole)


def test_only_needed_checkpoints_are_kept(study):
    """Of a live trial the newest two stay, and the study's best; older ones go."""
    s = study(budget=Budget(trials=1, epochs=8))
    trial_id = s.session.next().trial_id
    for epoch, value in [(1, 0.1), (2, 0.9), (3, 0.3), (4, 0.2), (5, 0.1)]:
        s.store.write(f"checkpoints/{trial_id}/{epoch:06d}.ckpt", b"x")
        s.session.report(trial_id, Report((row(epoch, value),), epoch, checkpoints=(epoch,)))
    assert s.store.files("checkpoints") == [f"checkpoints/{trial_id}/{e:06d}.ckpt" for e in (2, 4, 5)]


@pytest.mark.parametrize("trials", [1, 3])
def test_the_grid_ends_before_the_budget_of_trials(study, trials):
    """A grid of two values has two trials, however many the budget allows."""
    from pipeline.space import Grid

    s = study(space={"x": Grid([0.1, 0.2])}, searcher="grid", budget=Budget(trials=trials, epochs=1))
    s.play(lambda _t, config, _e: config["x"])
    assert len(s.session.trials) == min(trials, 2)


def test_a_failed_trial_is_not_the_best_after_a_resume(study):
    """The better trial had failed: the next session's best is the other one, as the first session's was."""
    first = study(budget=Budget(trials=2, epochs=2))
    a, b = first.session.next(), first.session.next()
    first.session.report(b.trial_id, Report((row(1, 0.5),), 1))
    first.session.report(a.trial_id, Report((row(1, 0.9), row(2, math.nan)), 2, failure="score is nan at epoch 2."))
    second = study("second", budget=Budget(trials=2, epochs=2))
    second.session.restore(first.session.state(), budget_before=2)
    assert first.session.best.trial_id == second.session.best.trial_id == "0001"
    assert second.session.total_epochs == first.session.total_epochs == 3


def test_errors_before_a_resume_count_as_they_were(study):
    """Two different errors before, one after: not three alike."""
    first = study(budget=Budget(trials=8, epochs=2))
    for error in ("ValueError: a", "ValueError: b"):
        first.session.report(first.session.next().trial_id, Report(failure=error))
    second = study("second", budget=Budget(trials=8, epochs=2))
    second.session.restore(first.session.state(), budget_before=2)
    second.session.report(second.session.next().trial_id, Report(failure="ValueError: b"))
    assert second.session.next() is not None


def test_a_limit_stops_whoever_is_paused(study):
    """A population is cut off while trials are paused: each ends with the reason, and the session says it has ended."""
    s = study(
        scheduler="pbt", function=None, model=steps, data="digits", budget=Budget(trials=4, epochs=9, total_epochs=6)
    )
    s.play(lambda _t, config, e: config["x"] * e)
    assert {trial.state for trial in s.session.trials.values()} == {"stopped"}
    assert s.session.ended


def test_what_runs_is_paused_by_an_interrupt(study):
    """Ctrl-C: the running trial is paused, and nothing more is given out."""
    s = study()
    trial_id = s.session.next().trial_id
    s.session.interrupt()
    assert s.session.trials[trial_id].state == "paused"
    assert s.session.next() is None
    assert s.session.ended


def test_an_exploit_begins_where_the_receiver_stood_with_the_donors_checkpoint(study):
    """The next assignment names donor and epoch, and the receiver's own epoch as the segment's start."""
    s = study(scheduler="pbt", function=None, model=steps, data="digits", budget=Budget(trials=4, epochs=6))
    s.play(lambda _t, config, e: config["x"] * e)
    exploited = [trial for trial in s.session.trials.values() if trial.segment > 1]
    assert exploited
    for trial in exploited:
        assignment = s.session.assignment(trial.trial_id)
        assert 0 < assignment.epoch < 6
        assert assignment.parent_trial != trial.trial_id
        assert assignment.segment == trial.segment


def _climb(_trial: str, config: Mapping[str, Any], epoch: int) -> float:
    return -((config["x"] - 0.3) ** 2) + 0.001 * epoch


@pytest.mark.parametrize("searcher", SEARCHERS)
def test_a_searcher_goes_on_after_a_resume_as_it_would_have(study, searcher):
    """The configs of a study that was cut in two are those of one that was not, whoever draws them."""
    space = {"x": Uniform(0, 1), "s": Switch({"a": {}, "b": {"y": Uniform(0, 1)}}), "z": Uniform(0, 1)}
    if searcher == "grid":
        space = {"x": Choice([i / 18 for i in range(18)])}
    fields = {"searcher": searcher, "space": space}
    whole = study("whole", **fields, budget=Budget(trials=18, epochs=2))
    whole.play(_climb)
    first = study("cut", **fields, budget=Budget(trials=13, epochs=2))
    first.play(_climb)
    second = study("second", **fields, budget=Budget(trials=18, epochs=2))
    second.session.restore(json.loads(json.dumps(first.session.state())), budget_before=2)
    second.play(_climb)
    configs = lambda s: [trial.config for trial in s.session.trials.values()]  # noqa: E731
    assert len(configs(second)) == 18
    assert configs(second) == configs(whole)


@pytest.mark.parametrize("mode", ["max", "min"])
def test_what_came_out_is_told_to_the_searcher(study, mode):
    """One that learns closes in on the best value, whichever direction that is; random search does not."""
    sign = 1 if mode == "max" else -1
    fields = {"space": {"x": Uniform(0, 1), "z": Uniform(0, 1)}, "objectives": [Objective("score", mode)]}
    distance = {}
    for searcher in ("random", "tpe"):
        s = study(searcher, **fields, searcher=searcher, budget=Budget(trials=40, epochs=1))
        s.play(lambda t, c, e: sign * _climb(t, c, e))
        distance[searcher] = sum(abs(trial.config["x"] - 0.3) for trial in list(s.session.trials.values())[15:])
    assert distance["tpe"] < 0.7 * distance["random"]


def test_a_trial_is_told_as_it_stands(study):
    """One that runs is open, one that failed has no value, one that was stopped counts by its best epoch."""
    s = study()
    for _ in range(3):
        s.session.next()
    s.session.report("0000", Report((row(1, 0.9), row(2, 0.5), row(3, 0.4), row(4, 0.3)), 4, last=True))
    s.session.report("0001", Report(failure="ValueError: x"))
    s.session.report("0002", Report((row(1, 0.7),), 1))
    told = [tried(trial, "max") for trial in s.session.trials.values()]
    assert [(one.state, one.loss) for one in told] == [("known", -0.9), ("failed", None), ("open", None)]
    assert tried(s.session.trials["0000"], "min").loss == 0.9


def test_a_study_begins_with_the_configs_it_is_given(study):
    """They are trials 0000 and 0001, count in the budget, and the table says why they were started."""
    s = study(start_with=[{"x": 0.25}, {"x": 0.75}], budget=Budget(trials=3, epochs=1))
    plain = study("plain", budget=Budget(trials=1, epochs=1))
    s.play(_climb)
    plain.play(_climb)
    configs = [trial.config["x"] for trial in s.session.trials.values()]
    assert configs == [0.25, 0.75, plain.session.trials["0000"].config["x"]]
    s.recorder.close("finished")
    rows = s.store.read_table("decisions").to_pylist()
    assert [r["reason"] for r in rows if r["kind"] == "start"] == [
        "A config the study starts with.",
        "A config the study starts with.",
        "Drawn by the searcher.",
    ]


def test_columns_of_what_a_trial_does_not_have_are_empty(study):
    """Every parameter of every branch is a column; a trial has values in those of its branch."""
    space = {"x": Uniform(0, 1), "s": Switch({"a": {"n": Choice([1, 2])}, "b": {"t": Choice([1, "auto"])}})}
    s = study(space=space, start_with=[{"s": "a"}, {"s": "b", "t": 1}], budget=Budget(trials=2, epochs=1))
    s.play(_climb)
    s.recorder.close("finished")
    for table in ("trials.parquet", "epochs"):
        first, second = sorted(s.store.read_table(table).to_pylist(), key=lambda r: r["trial_id"])
        assert (first["config_s"], first["config_n"] in (1, 2), first["config_t"]) == ("a", True, None)
        assert (second["config_s"], second["config_n"], second["config_t"]) == ("b", None, "1")


@pytest.mark.parametrize(("kept", "goes_on"), [("0000/000003", True), ("0001/000002", True), (None, False)])
def test_more_epochs_only_for_a_trial_that_can_go_on(study, kept, goes_on):
    """After an exploit it needs a checkpoint of its own or the one that it began with; else it stays as it ended."""
    s = study(budget=Budget(trials=2, epochs=4))
    ended = Trial(
        "0000", {"x": 0.5}, 0, state="completed", epoch=4, started=True, best=0.5, best_epoch=4,
        segment=2, segment_start=2, parent_trial="0001", parent_epoch=2,
    )  # fmt: skip
    if kept:
        s.store.write(f"checkpoints/{kept}.ckpt", b"x")
    more = study("more", budget=Budget(trials=1, epochs=8))
    for path in s.store.files("checkpoints"):
        more.store.write(path, s.store.read(path))
    more.session.restore({"trials": [ended.to_json()], "scheduler": {}}, budget_before=4)
    assert (more.session.next() is not None) == goes_on
    assert more.session.trials["0000"].state == ("running" if goes_on else "completed")
    more.recorder.close("finished")
    reasons = [row["reason"] for row in more.store.read_table("decisions").to_pylist()]
    assert any("gets no more epochs" in reason for reason in reasons) == (not goes_on)


def test_the_winners_reports_end_its_silence(study):
    """Fitted again over many epochs it is not taken for hung, as long as it tells of itself."""
    played = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    first = played.session.next()
    played.session.report(first.trial_id, Report((row(1, 0.5),), 1, last=True))
    winner = played.session.next()
    assert winner.key == FINISH
    assert played.session.watch.silent([winner.key]) == []
    now = time.monotonic() + 1e6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(played.session.watch, "_clock", lambda: now)
        assert played.session.report(winner.trial_id, Report(epoch=1)) == "continue"
        assert played.session.watch.silent([winner.key]) == []


@pytest.mark.parametrize("how", ["interrupted", "ended"])
def test_a_worker_that_is_lost_when_its_trial_runs_no_more_changes_nothing(study, how):
    """Its trial stays as it was left."""
    played = study(budget=Budget(trials=2, epochs=2))
    assignment = played.session.next()
    played.session.report(assignment.trial_id, Report((row(1, 0.5),), 1))
    if how == "interrupted":
        played.session.interrupt()
    else:
        played.session.report(assignment.trial_id, Report((row(2, 0.5),), 2, last=True))
    before = played.session.state()
    assert played.session.lost(assignment.trial_id, "killed.") is None
    assert played.session.state() == before


def test_after_an_error_of_the_storage_no_trial_is_said_to_run(study):
    """What was running is paused, with the error as the reason."""
    played = study()
    assignment = played.session.next()
    with played.session.guarded():
        raise StorageError("The disk is full.")
    assert played.session.trials[assignment.trial_id].state == "paused"
    assert played.session.ended
    assert isinstance(played.session.fatal, StorageError)
    played.recorder.flush_state(played.session.state())
    assert kinds(played, assignment.trial_id) == ["start", "pause"]
