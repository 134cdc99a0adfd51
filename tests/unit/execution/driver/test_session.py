"""A session: what runs next, what continues, and why."""

import math
import time
from functools import partial
from typing import Any

import pytest

from pipeline.engine.commands import ChangeBudget
from pipeline.engine.messages import FINISH, Report
from pipeline.engine.saved_state import saved_state
from pipeline.errors import ModelError, StorageError
from pipeline.execution.commands import send
from pipeline.execution.driver.prune import Pruner
from pipeline.execution.driver.timing import FlushTiming
from pipeline.execution.notes import notes_to
from pipeline.results.tables.load import load_results
from pipeline.schedulers import PromotingASHA
from pipeline.storage.sessions import read_sessions
from pipeline.study import Budget, Objective, layout
from pipeline.study.files import read_job
from tests.unit.execution.recorded_curves import kinds, row, steps, stored_state


def test_every_trial_of_the_plain_scheduler_is_trained_to_its_end(study):
    """The plain scheduler trains four trials of four epochs to their end, in the order of the draws."""
    s = study()
    assert s.play(lambda _t, config, e: config["x"] * e) == ["0000", "0001", "0002", "0003"]
    assert {trial.state for trial in s.session.engine.trials.values()} == {"completed"}
    assert s.session.engine.total_epochs == 16
    s.recorder.close("finished")
    assert kinds(s, "0002") == ["start", "finish"]


def test_the_best_is_the_earlier_epoch_then_the_lower_trial(study):
    """Of equal values, the one at the earlier epoch and then of the lower trial is the best."""
    s = study()
    s.play(lambda t, _c, e: 1.0 if e >= {"0000": 3, "0001": 2, "0002": 2, "0003": 4}[t] else 0.0)
    assert (s.session.engine.best.trial_id, s.session.engine.best.best.epoch) == ("0001", 2)


def test_minimising_keeps_the_smallest(study):
    """With mode min the best is the smallest value."""
    s = study(objectives=[Objective("score", "min")])
    s.play(lambda t, _c, e: float(int(t)) + e)
    assert s.session.engine.best.trial_id == "0000"
    assert s.session.engine.best.best.value == 1.0


def test_a_value_that_is_not_finite_fails_the_trial_and_is_never_best(study):
    """A trial that ends in NaN fails, and its earlier good epoch is not the study's best."""
    s = study()
    first = s.session.next()
    s.session.on_report(first.trial_id, Report((row(1, 9.0), row(2, math.nan)), failure="score is nan at epoch 2."))
    assert s.session.engine.trials["0000"].state == "failed"
    s.play(lambda _t, _c, e: 0.1 * e)
    assert s.session.engine.best.trial_id == "0001"


def test_three_trials_with_the_same_error_end_the_study(study):
    """A study ends without another trial if its first three trials failed with the same error."""
    s = study(budget=Budget(trials=10, epochs=4))
    for _ in range(3):
        assignment = s.session.next()
        s.session.on_report(assignment.trial_id, Report(failure="ValueError: no such layer\n\ntraceback"))
    assert s.session.next() is None
    assert "The first 3 trials failed with the same error: ValueError: no such layer" in s.session.engine.end_reason


def test_trials_failing_differently_do_not_end_the_study(study):
    """Three trials that fail with three different errors do not end the study."""
    s = study(budget=Budget(trials=10, epochs=4))
    for problem in ("no file", "wrong shape", "no memory"):
        s.session.on_report(s.session.next().trial_id, Report(failure=f"ValueError: {problem}"))
    assert s.session.next() is not None


def test_trials_failing_with_other_numbers_in_the_error_end_the_study(study):
    """Three trials whose errors differ only in a number of their configs fail in the same way, which ends the study."""
    s = study(budget=Budget(trials=10, epochs=4))
    for rate in ("0.018", "1.2e-05", "3"):
        s.session.on_report(s.session.next().trial_id, Report(failure=f"ValueError: no rate {rate}"))
    assert s.session.next() is None


def test_a_model_that_cannot_be_used_ends_the_study_immediately(study):
    """A model that no trial can use ends the study, with one report of the user's mistake."""
    s = study()
    s.session.on_report(s.session.next().trial_id, Report(cause="job", failure="build_model returned None."))
    assert isinstance(s.session.fatal, ModelError)
    assert s.session.next() is None


def test_the_budget_of_epochs_stops_running_and_paused_trials_with_a_reason(study):
    """Once the study's epochs are used up, running and paused trials stop, each with a recorded reason."""
    s = study(budget=Budget(trials=4, epochs=4, total_epochs=6))
    a, b = s.session.next(), s.session.next()
    assert s.session.on_report(a.trial_id, Report((row(1, 0.1), row(2, 0.2), row(3, 0.3)))) == "continue"
    assert s.session.on_report(b.trial_id, Report((row(1, 0.1), row(2, 0.2), row(3, 0.3)))) == "stop"
    assert s.session.on_report(a.trial_id, Report((row(4, 0.4),), last=True)) == "stop"
    assert s.session.next() is None
    assert {t.state for t in s.session.engine.trials.values()} == {"completed", "stopped"}
    s.recorder.close("finished")
    reasons = [r["reason"] for r in s.store.read_table("decisions").to_pylist() if r["kind"] == "stop"]
    assert reasons == ["The study's budget of 6 epochs is spent."]


def test_the_target_ends_the_study(study):
    """A value as good as the budget's target ends the study before its other trials are drawn."""
    s = study(budget=Budget(trials=4, epochs=4, target=0.5))
    s.session.on_report(s.session.next().trial_id, Report((row(1, 0.6),), last=True))
    assert s.session.next() is None
    assert "target" in s.session.engine.end_reason


def test_a_trial_is_new_to_the_storage_once(study):
    """A trial is new when the first session assigns it first: not after a lost worker or a pause, nor in session 2."""
    s = study(scheduler=PromotingASHA(grace_period=1, reduction_factor=2), budget=Budget(trials=4, epochs=4))
    first = s.session.next()
    assert first.new
    assert not s.session.on_worker_lost(first.trial_id, "It is gone.").new
    s.session.on_report(first.trial_id, Report((row(1, 0.9),)))
    assert not s.session.engine.assignment(s.session.engine.trials[first.trial_id]).new


def test_a_session_continues_from_the_state_of_the_last(study):
    """A study that is interrupted and restored in another session ends as an uninterrupted one."""
    whole = study("whole", scheduler="asha", budget=Budget(trials=6, epochs=8))
    whole.play(lambda _t, config, e: config["x"] * e)
    first = study("cut", scheduler="asha", budget=Budget(trials=6, epochs=8))
    trial_id = first.session.next().trial_id
    first.session.on_report(trial_id, Report((row(1, first.session.engine.trials[trial_id].config["x"]),)))
    first.session.engine.interrupt()
    second = study("second", scheduler="asha", budget=Budget(trials=6, epochs=8))
    second.session.restore(stored_state(first.session.engine), epochs_before=8)
    second.play(lambda _t, config, e: config["x"] * e)
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best) for t in s.session.engine.trials.values()}  # noqa: E731
    assert ends(second) == ends(whole)


@pytest.mark.parametrize("scheduler", ["pbt", "asha"])
def test_a_study_that_is_cut_off_at_any_epoch_continues_as_if_it_were_not(study, scheduler):
    """A study whose budget of epochs ends it anywhere, resumed without that budget, ends as one without a budget."""
    fields = {"scheduler": scheduler, "function": None, "model": steps, "data": "digits"}
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best, t.config) for t in s.session.engine.trials.values()}  # noqa: E731
    whole = study("whole", budget=Budget(trials=6, epochs=4), **fields)
    whole.play(lambda _t, config, e: config["x"] * e)
    for epochs in range(1, whole.session.engine.total_epochs):
        cut = study(f"cut-{epochs}", budget=Budget(trials=6, epochs=4, total_epochs=epochs), **fields)
        cut.play(lambda _t, config, e: config["x"] * e)
        more = study(f"more-{epochs}", budget=Budget(trials=6, epochs=4), **fields)
        for trial in cut.session.engine.trials.values():
            for epoch in trial.checkpoints:
                more.store.write(layout.checkpoint(trial.trial_id, epoch), b"x")
        more.session.restore(stored_state(cut.session.engine), epochs_before=4)
        more.play(lambda _t, config, e: config["x"] * e)
        assert ends(more) == ends(whole), f"cut off after {epochs} epochs"


def test_only_needed_checkpoints_are_kept(study):
    """Of a live trial the two newest checkpoints and the study's best are kept, and older ones are deleted."""
    s = study(budget=Budget(trials=1, epochs=8))
    trial_id = s.session.next().trial_id
    for epoch, value in [(1, 0.1), (2, 0.9), (3, 0.3), (4, 0.2), (5, 0.1)]:
        s.store.write(f"checkpoints/{trial_id}/{epoch:06d}.ckpt", b"x")
        s.session.on_report(trial_id, Report((row(epoch, value),), checkpoints=[(trial_id, epoch, 1)]))
    s.session.flush()
    assert s.store.files("checkpoints") == [f"checkpoints/{trial_id}/{e:06d}.ckpt" for e in (2, 4, 5)]


def test_the_last_checkpoints_of_a_trial_that_a_limit_cut_off_stay(study):
    """A cut-off trial's last checkpoints, which no report named, stay at the end and are in the stored state."""
    s = study(budget=Budget(trials=2, epochs=20, total_epochs=10))
    s.session.begin()
    winner, runner_up = s.session.next().trial_id, s.session.next().trial_id
    s.session.on_report(winner, Report((row(1, 0.9),), last=True, checkpoints=[(winner, 1, 1)]))
    rows = tuple(row(epoch, min(epoch, 18 - epoch) / 20) for epoch in range(1, 11))
    s.store.write(layout.checkpoint(runner_up, 8), b"x")
    assert s.session.on_report(runner_up, Report(rows[:8], checkpoints=[(runner_up, 8, 1)])) == "continue"
    assert s.session.on_report(runner_up, Report(rows[8:])) == "stop"
    for epoch in (9, 10):
        s.store.write(layout.checkpoint(runner_up, epoch), b"x")
    s.session.flush()
    s.session.clear()
    assert s.store.files("checkpoints") == [layout.checkpoint(runner_up, epoch) for epoch in (9, 10)]
    assert {9, 10} <= set(read_sessions(s.store, resume=True)[-1]["resume"]["trials"][1]["checkpoints"])


def test_nothing_is_deleted_that_the_stored_state_needs(study):
    """Checkpoints are deleted only after the state that no longer needs them was written."""
    s = study(budget=Budget(trials=1, epochs=8))
    trial_id = s.session.next().trial_id
    s.session.begin()
    for epoch in range(1, 6):
        s.store.write(f"checkpoints/{trial_id}/{epoch:06d}.ckpt", b"x")
        s.session.on_report(trial_id, Report((row(epoch, epoch),), checkpoints=[(trial_id, epoch, 1)]))
    assert len(s.store.files("checkpoints")) == 5
    s.session.flush()
    stored = read_sessions(s.store, resume=True)[-1]["resume"]["trials"][0]
    assert (stored["epoch"], len(s.store.files("checkpoints"))) == (5, 2)


def test_deletions_delay_the_next_flush(study, monkeypatch):
    """The time that a flush needs to delete checkpoints counts in the interval until the next one."""
    now, pruned = 1e6, []

    def prune(*_):
        nonlocal now
        now += 1.0
        pruned.append(now)
        return set()

    monkeypatch.setattr("pipeline.execution.driver.session.FlushTiming", partial(FlushTiming, lambda: now))
    monkeypatch.setattr(Pruner, "prune", prune)
    s = study()
    s.session.next()
    now += 1e6
    for waited in (0.0, 100.0, 60.0):
        now += waited
        s.session.beat()
    assert pruned == [2e6 + 1.0, 2e6 + 162.0]


@pytest.mark.parametrize("trials", [1, 3])
def test_the_grid_ends_before_the_budget_of_trials(study, trials):
    """A grid of two values has two trials, however many the budget allows."""
    from pipeline.space import Grid

    s = study(space={"x": Grid([0.1, 0.2])}, searcher="grid", budget=Budget(trials=trials, epochs=1))
    s.play(lambda _t, config, _e: config["x"])
    assert len(s.session.engine.trials) == min(trials, 2)


def test_a_failed_trial_is_not_the_best_after_a_resume(study):
    """A failed trial is not the best after a resume, even if its value was the best."""
    first = study(budget=Budget(trials=2, epochs=2))
    a, b = first.session.next(), first.session.next()
    first.session.on_report(b.trial_id, Report((row(1, 0.5),)))
    first.session.on_report(a.trial_id, Report((row(1, 0.9), row(2, math.nan)), failure="score is nan at epoch 2."))
    second = study("second", budget=Budget(trials=2, epochs=2))
    second.session.restore(stored_state(first.session.engine), epochs_before=2)
    assert first.session.engine.best.trial_id == second.session.engine.best.trial_id == "0001"
    assert second.session.engine.total_epochs == first.session.engine.total_epochs == 3


def test_errors_before_a_resume_still_count(study):
    """Errors before a resume count afterwards, but three errors that are not all equal do not end the study."""
    first = study(budget=Budget(trials=8, epochs=2))
    for error in ("ValueError: a", "ValueError: b"):
        first.session.on_report(first.session.next().trial_id, Report(failure=error))
    second = study("second", budget=Budget(trials=8, epochs=2))
    second.session.restore(stored_state(first.session.engine), epochs_before=2)
    second.session.on_report(second.session.next().trial_id, Report(failure="ValueError: b"))
    assert second.session.next() is not None


def test_a_limit_stops_paused_trials(study):
    """If a population reaches a limit, its paused trials are stopped and the session counts as ended."""
    s = study(
        scheduler="pbt", function=None, model=steps, data="digits", budget=Budget(trials=4, epochs=9, total_epochs=6)
    )
    s.play(lambda _t, config, e: config["x"] * e)
    assert {trial.state for trial in s.session.engine.trials.values()} == {"stopped"}
    assert s.session.ended


def test_an_interrupt_pauses_the_running_trial(study):
    """Ctrl-C pauses the running trial, and no further trial starts."""
    s = study()
    trial_id = s.session.next().trial_id
    s.session.engine.interrupt()
    assert s.session.engine.trials[trial_id].state == "paused"
    assert s.session.next() is None
    assert s.session.ended


def test_a_users_request_to_end_is_recorded(study):
    """A user's request to end is a decision without a trial, and the reason why the running trial pauses."""
    s = study()
    s.session.begin()
    trial_id = s.session.next().trial_id
    s.store.write(layout.stop_request(1), "{}")
    s.session.interrupt()
    s.session.interrupt()
    s.session.flush()
    rows = [(row["trial_id"], row["kind"], row["reason"]) for row in s.store.read_table("decisions").to_pylist()]
    assert rows[1:] == [(None, "pause", "A user stopped the study."), (trial_id, "pause", "A user stopped the study.")]


def test_a_signal_is_not_recorded_as_a_users_request(study):
    """A signal without a user's request pauses the running trial, and is not a decision about the study."""
    s = study()
    s.session.begin()
    s.session.next()
    s.session.interrupt()
    s.session.flush()
    rows = s.store.read_table("decisions").to_pylist()
    assert [(row["trial_id"], row["kind"]) for row in rows] == [("0000", "start"), ("0000", "pause")]


def test_an_exploit_begins_where_the_receiver_stood_with_the_donors_checkpoint(study):
    """After an exploit, the assignment names the donor and starts the segment at the receiver's own epoch."""
    s = study(scheduler="pbt", function=None, model=steps, data="digits", budget=Budget(trials=4, epochs=6))
    s.play(lambda _t, config, e: config["x"] * e)
    exploited = [trial for trial in s.session.engine.trials.values() if trial.segment > 1]
    assert exploited
    for trial in exploited:
        assignment = s.session.engine.assignment(trial)
        assert 0 < assignment.epoch < 6
        assert assignment.parent_trial != trial.trial_id
        assert assignment.segment == trial.segment


def test_driver_and_tables_agree_on_the_best_while_epochs_are_trained_again(study):
    """The study's best is the same in the driver and in the tables after a lost worker, whatever is trained again."""
    s = study(budget=Budget(trials=2, epochs=8))
    s.session.begin()
    first, second = s.session.next(), s.session.next()
    s.session.on_report(second.trial_id, Report((row(1, 0.84),)))
    s.session.on_report(first.trial_id, Report(tuple(row(e, 0.1 * e) for e in (1, 2, 3))))
    s.session.on_report(first.trial_id, Report((row(4, 0.8), row(5, 0.9))))
    assert s.session.on_worker_lost(first.trial_id, "It is gone.").attempt == 2
    again = {4: 0.7, 5: 0.82, 6: 0.5}
    reports = [(1, 2, 3, 4), (5,), (6,)]
    for epochs in reports:
        rows = tuple(row(e, again.get(e, 0.1 * e), attempt=1 if e < 4 else 2) for e in epochs)
        s.session.on_report(first.trial_id, Report(rows))
        s.session.flush()
        best, driver = load_results(s.store.uri).best, s.session.engine.best
        assert (best.trial_id, best.epoch, best.value) == (driver.trial_id, driver.best.epoch, driver.best.value)
    assert best.trial_id == second.trial_id


def test_the_winners_reports_end_its_silence(study):
    """A winner that is fitted again over many epochs does not count as hung, as long as its worker reports."""
    running = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    first = running.session.next()
    running.session.on_report(first.trial_id, Report((row(1, 0.5),), last=True))
    winner = running.session.next()
    assert winner.key == FINISH
    assert running.session.hang_detection.hung([winner.key]) == []
    now = time.monotonic() + 1e6
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        assert running.session.on_report(winner.trial_id, Report()) == "continue"
        assert running.session.hang_detection.hung([winner.key]) == []


def test_a_command_while_the_winner_is_exported_starts_no_trial(study):
    """While the winner is exported, a larger budget is refused: no trial is drawn, and the winner's report counts."""
    s = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    s.session.begin()
    s.session.on_report(s.session.next().trial_id, Report((row(1, 0.5),), last=True))
    assert s.session.next().key == FINISH
    name = send(s.store, ChangeBudget(trials=20))
    s.session.execute_commands(immediately=True)
    assert "its budget is not changed" in s.session.engine.outcomes[name]
    assert read_job(s.store)["budget"]["trials"] == 1
    assert s.session.next() is None
    assert s.session.on_report("0000", Report(winner={"score": 0.4})) == "stop"
    assert (s.session.final_evaluation.metrics, s.session.ended) == ({"score": 0.4}, True)


def test_a_budget_that_waits_for_a_resume_counts_before_a_spent_limit(study):
    """A change of the budget that waits continues a study whose limit is spent, with its trials that were cut off."""
    first = study("first", budget=Budget(trials=4, epochs=4, total_epochs=2))
    assert first.session.on_report(first.session.next().trial_id, Report((row(1, 0.1), row(2, 0.2)))) == ("stop")
    second = study("second", budget=Budget(trials=4, epochs=4, total_epochs=2))
    name = send(second.store, ChangeBudget(total_epochs=200))
    second.session.restore(stored_state(first.session.engine), epochs_before=4)
    second.session.begin()
    second.session.execute_commands(immediately=True)
    changed = "The budget is changed: total_epochs 200 instead of 2."
    assert read_sessions(second.store, resume=True)[-1]["resume"]["outcomes"] == {name: changed}
    assert read_job(second.store)["budget"]["total_epochs"] == 200
    assert second.session.next().trial_id == "0000"


def test_a_budget_that_waits_outlives_a_driver_that_is_killed_before_it_is_stored(study):
    """A change of the budget that waits is made again by the next session if a driver is killed before it is stored."""
    first = study("first", budget=Budget(trials=4, epochs=4, total_epochs=2))
    first.session.on_report(first.session.next().trial_id, Report((row(1, 0.1), row(2, 0.2))))
    state: Any = stored_state(first.session.engine)
    for _ in range(2):
        s = study("killed", budget=Budget(trials=4, epochs=4, total_epochs=2))
        if not s.store.files("commands"):
            name = send(s.store, ChangeBudget(total_epochs=200))
        s.store.delete(layout.session(1))
        s.session.restore(state, epochs_before=4)
        s.session.begin()
        state = saved_state(read_sessions(s.store, resume=True)[-1]["resume"])
    s.session.execute_commands(immediately=True)
    changed = "The budget is changed: total_epochs 200 instead of 2."
    assert read_sessions(s.store, resume=True)[-1]["resume"]["outcomes"] == {name: changed}
    assert read_job(s.store)["budget"]["total_epochs"] == 200


def test_after_an_error_of_the_storage_no_trial_is_running(study):
    """After a storage error, trials that were running are recorded as paused, with the error as the reason."""
    running = study()
    assignment = running.session.next()
    running.session.end_by(StorageError("The disk is full."))
    assert running.session.engine.trials[assignment.trial_id].state == "paused"
    assert running.session.ended
    assert isinstance(running.session.fatal, StorageError)
    running.session.flush()
    assert kinds(running, assignment.trial_id) == ["start", "pause"]


def test_the_way_of_training_is_noted_and_recorded(study):
    """How trials train is noted where a report shows it, and recorded with each epoch."""
    s, notes = study(), []
    assignment = s.session.next()
    ways = ["compiled epochs", "Keras' fit: the model has its own fit", None]
    with notes_to(notes.append):
        for epoch, how in enumerate(ways, 1):
            report = Report(({**row(epoch, 0.5), "trained_with": how},), last=epoch == len(ways))
            s.session.on_report(assignment.trial_id, report)
    assert len(notes) == 2
    s.recorder.close("finished")
    epochs = load_results(s.store.uri).epochs
    assert epochs["trained_with"].fillna("").tolist() == [how or "" for how in ways]


def test_a_segment_records_the_session_in_which_it_began(study):
    """A segment records its session, so that checkpoints of a killed driver's segment do not match a later one."""
    s = study(scheduler="pbt", function=None, model=steps, data="digits", budget=Budget(trials=4, epochs=6))
    s.play(lambda _t, config, e: config["x"] * e)
    trials = s.session.engine.trials.values()
    assert {trial.segment_session for trial in trials if trial.segment > 1} == {1}
    assert {trial.segment_session for trial in trials if trial.segment == 1} == {0}
    assert all(s.session.engine.assignment(trial).segment_session == trial.segment_session for trial in trials)


def test_the_state_that_is_stored_is_the_whole_state(study):
    """The stored state equals the whole state after reports, decisions, lost workers and deleted checkpoints."""
    s = study(scheduler=PromotingASHA(grace_period=1, reduction_factor=2), budget=Budget(trials=6, epochs=8))
    s.session.begin()
    running: list[str] = []
    for step in range(100):
        while len(running) < 2 and (assignment := s.session.next()) is not None:
            running.append(assignment.trial_id)
        if not running:
            break
        trial = s.session.engine.trials[running.pop(0)]
        if step % 7 == 3:
            s.session.on_worker_lost(trial.trial_id, "killed.")
        epoch = trial.epoch + 1
        report = Report((row(epoch, float(step % 5)),), last=epoch == 8, checkpoints=[(trial.trial_id, epoch, 1)])
        if s.session.on_report(trial.trial_id, report) == "continue":
            running.append(trial.trial_id)
        s.session.flush()
        # The second one contains what the first one has deleted.
        s.session.flush()
        stored = read_sessions(s.store, resume=True)[-1]["resume"]
        assert saved_state(stored) == stored_state(s.session.engine)
        assert stored["decided"] == s.recorder.decision_count
    assert step > 10
