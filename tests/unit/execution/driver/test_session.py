"""A session: what runs next, what continues, and why."""

from types import SimpleNamespace

import pytest

from pipeline.engine.commands import ChangeBudget
from pipeline.engine.messages import EXPORT, Report
from pipeline.engine.trial import SAVED_STATE
from pipeline.errors import ModelError
from pipeline.execution.commands import send
from pipeline.execution.driver import session
from pipeline.results.tables.load import load_results
from pipeline.schedulers import PromotingASHA
from pipeline.storage import layout, sessions
from pipeline.storage.sessions import read_sessions
from pipeline.study import Budget
from pipeline.study.files import read_job
from pipeline.text import notes_to
from tests.cases import cases
from tests.clocks import Leaping
from tests.recorded_curves import row, steps, stored_state
from tests.stored_tables import stored_table


@pytest.mark.parametrize("trained", [False, True])
def test_a_job_that_cannot_be_used_ends_the_study_before_any_epoch_and_only_a_trial_later(study, trained):
    session = study().session
    trial_id, other = session.next().trial_id, session.next().trial_id
    if trained:
        session.on_report(other, Report([row(1, 0.5)]))
    assert session.on_report(trial_id, Report(cause="job", failure="build_model returned None.")) == "stop"
    assert session.engine.trials[trial_id].state == "failed"
    assert isinstance(session.fatal, ModelError) != trained
    assert (session.next() is None) != trained


@pytest.mark.parametrize("scheduler", cases(["pbt", "asha"], ["pbt"]))
def test_a_study_that_is_cut_off_at_any_epoch_continues_as_if_it_were_not(study, scheduler):
    fields = {"scheduler": scheduler, "function": None, "model": steps, "data": "digits"}
    ends = lambda s: {t.trial_id: (t.state, t.epoch, t.best, t.config) for t in s.session.engine.trials.values()}  # noqa: E731
    whole = study("whole", budget=Budget(trials=6, epochs=4), **fields)
    whole.play(lambda _t, config, e: config["x"] * e)
    for epochs in range(1, whole.session.engine.total_epochs, 7):
        cut = study(f"cut-{epochs}", budget=Budget(trials=6, epochs=4, total_epochs=epochs), **fields)
        cut.play(lambda _t, config, e: config["x"] * e)
        more = study(f"more-{epochs}", budget=Budget(trials=6, epochs=4), **fields)
        for trial in cut.session.engine.trials.values():
            for epoch in trial.checkpoints:
                more.store.write(layout.checkpoint(trial.trial_id, epoch), b"x")
        more.session.restore(stored_state(cut.session.engine), epochs_before=4)
        more.play(lambda _t, config, e: config["x"] * e)
        assert ends(more) == ends(whole), f"cut off after {epochs} epochs"


def test_a_users_request_to_end_is_recorded(study, monkeypatch):
    monkeypatch.setattr(sessions, "time", Leaping())
    s = study()
    s.session.begin()
    trial_id = s.session.next().trial_id
    s.store.write(layout.stop_request(1), "{}")
    for _ in range(2):
        s.session.write_due()
    s.session.flush()
    rows = [(row["trial_id"], row["kind"], row["reason"]) for row in stored_table(s.store, "decisions").to_pylist()]
    assert rows[1:] == [(None, "stop", "A user stopped the study."), (trial_id, "pause", "A user stopped the study.")]


def test_driver_and_tables_agree_on_the_best_after_epochs_are_trained_again(study):
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


def test_a_command_while_the_winner_is_exported_starts_no_trial(study):
    s = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    s.session.begin()
    s.session.on_report(s.session.next().trial_id, Report((row(1, 0.5),), last=True))
    assert s.session.next().key == EXPORT
    name = send(s.store, ChangeBudget(trials=20))
    s.session.execute_commands(immediately=True)
    assert "Not executed" in s.session.engine.outcomes[name]
    assert read_job(s.store)["budget"]["trials"] == 1
    assert s.session.next() is None
    assert s.session.on_report("0000", Report(exported={"score": 0.4})) == "stop"
    assert s.session.ended


def test_the_way_of_training_is_noted_and_recorded(study):
    s, notes = study(), []
    assignment = s.session.next()
    ways = ["compiled epochs", "Keras' fit: the model has its own fit", None]
    with notes_to(notes.append):
        for epoch, how in enumerate(ways, 1):
            report = Report(({**row(epoch, 0.5), "trained_with": how},), last=epoch == len(ways))
            s.session.on_report(assignment.trial_id, report)
    assert len(notes) == 2
    s.recorder.close("ended")
    epochs = load_results(s.store.uri).epochs
    assert epochs["trained_with"].fillna("").tolist() == [how or "" for how in ways]


def test_the_state_that_is_stored_is_the_whole_state(study):
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
        stored = SAVED_STATE.validate_python(read_sessions(s.store, resume=True)[-1].resume)
        assert stored == stored_state(s.session.engine)
    assert step > 10


@pytest.mark.parametrize(
    ("started", "cost", "interval"),
    [(0.0, 0.0, 1.0), (500.0, 0.0, 10.0), (1e6, 0.0, 30.0), (0.0, 1.0, 50.0), (1e6, 1.0, 50.0), (1e6, 60.0, 300.0)],
)
def test_a_flush_waits_for_a_share_of_the_session_and_of_the_last_flush(study, started, cost, interval, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(session, "time", SimpleNamespace(monotonic=lambda: clock.now))
    s = study().session
    clock.now = started
    monkeypatch.setattr(s.recorder, "flush", lambda _: setattr(clock, "now", started + cost))
    s.flush()
    clock.now += 0.9 * interval
    assert not s.flush_due
    clock.now += 0.2 * interval
    assert s.flush_due
