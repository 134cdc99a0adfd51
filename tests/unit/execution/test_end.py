"""How a session ends, and the reasons for failed trials."""

import pytest

from pipeline.engine.commands import ChangeBudget
from pipeline.engine.messages import Report
from pipeline.errors import Interrupted, StorageError, Superseded
from pipeline.execution.commands import outcomes, send
from pipeline.execution.run import failure_texts, recording_end
from pipeline.storage.sessions import read_sessions
from pipeline.study import Budget, layout
from tests.recorded_curves import row


def test_a_command_that_comes_too_late_gets_an_outcome(study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))
    with recording_end(s.session, new=True):
        s.session.begin()
        s.play(lambda _t, _c, e: float(e))
        name = send(s.store, ChangeBudget(trials=20))
    assert str(outcomes(s.store)[name]).startswith("The study is ending")


@pytest.mark.parametrize(
    "failure", [None, "NotEvaluated: The model is exported.\n\nTraceback (most recent call last):"]
)
def test_a_failed_export_of_the_winner_is_recorded(failure: str | None, study) -> None:
    s = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    with recording_end(s.session, new=True):
        s.session.begin()
        trial = s.session.next().trial_id
        s.session.on_report(trial, Report((row(1, 0.5),), last=True))
        winner = s.session.next()
        assert (
            s.session.on_report(winner.trial_id, Report(winner={} if failure is None else None, failure=failure))
            == "stop"
        )
    (session,) = read_sessions(s.store)
    assert (session["state"], session["winner_failure"]) == (
        "finished",
        "" if failure is None else "NotEvaluated: The model is exported.",
    )


def test_a_failed_trial_is_reported_once_with_what_it_printed(study) -> None:
    s = study(budget=Budget(trials=3, epochs=3))
    s.session.begin()
    for number in range(3):
        s.store.write(f"logs/{number:04d}.log", "a line of the user's\n")
        s.session.on_report(s.session.next().trial_id, Report(failure=f"ValueError: {number}."))
    (text,) = failure_texts(s.session)
    assert text.splitlines() == ["Trial 0000 failed: ValueError: 0.", "  a line of the user's"]


@pytest.mark.parametrize("asked", [False, True])
def test_only_a_stop_that_a_user_asked_for_is_final(asked: bool, study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def interrupted() -> None:
        with recording_end(s.session, new=True):
            s.session.begin()
            if asked:
                s.store.write(layout.stop_request(s.session.lease.number), "{}")
            raise KeyboardInterrupt

    with pytest.raises(Interrupted) as raised:
        interrupted()
    assert raised.value.final is asked


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_storage_that_fails_at_the_end_is_not_final(interrupted: bool, study, monkeypatch) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def failed() -> None:
        with recording_end(s.session, new=True):
            s.session.begin()
            s.play(lambda _t, _c, e: float(e))
            monkeypatch.setattr(s.store, "write_table", away)
            if interrupted:
                raise KeyboardInterrupt

    def away(*_: object) -> None:
        raise StorageError("away")

    with pytest.raises(StorageError, match="away") as raised:
        failed()
    assert not raised.value.final


def test_a_write_that_fails_after_a_takeover_is_reported_as_the_takeover(study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def replaced() -> None:
        with recording_end(s.session, new=True):
            s.session.begin()
            s.session.lease.check()
            s.store.write("sessions/0002.json", b"{}")
            raise StorageError("Cannot write trials.parquet: No such file or directory.")

    with pytest.raises(Superseded, match="session 2, has taken over"):
        replaced()
    assert s.store.read("sessions/0002.json") == b"{}"
