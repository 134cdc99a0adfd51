"""How a session ends, and the reasons for failed trials."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.engine.commands import ChangeBudget
from pipeline.engine.messages import Report
from pipeline.errors import Interrupted, StorageError, Superseded
from pipeline.execution.commands import outcomes, send
from pipeline.execution.driver.session_end import failure_texts, recording_end
from pipeline.execution.interrupts import Interrupts
from pipeline.storage import Store
from pipeline.storage.sessions import read_sessions
from pipeline.study import Budget, layout
from tests.unit.execution.recorded_curves import row

LOG = """a line of the user's
Traceback (most recent call last):
  File "/lib/python3.12/site-packages/keras/src/models.py", line 7, in call
    return inner()
  File "/home/you/exc.py", line 4, in build2
    config["wdth"]
KeyError: 'wdth'
"""


def test_a_failed_trial_is_reported_with_the_line_of_the_user(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("logs/0000.log", LOG)
    trials = {
        "0000": SimpleNamespace(state="failed", error="KeyError: 'wdth'", trial_id="0000"),
        "0001": SimpleNamespace(state="failed", error="ValueError: no.", trial_id="0001"),
    }
    session: Any = SimpleNamespace(engine=SimpleNamespace(trials=trials))
    first, second = failure_texts(session, store)
    assert first.splitlines()[0] == "Trial 0000 failed: KeyError: 'wdth'."
    assert first.splitlines()[1] == "  a line of the user's"
    assert second == "Trial 0001 failed: ValueError: no."


def test_a_command_that_comes_too_late_gets_an_outcome(study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))
    with recording_end(s.session, s.store, Interrupts(), new=True):
        s.session.begin()
        s.play(lambda _t, _c, e: float(e))
        name = send(s.store, ChangeBudget(trials=20))
    assert str(outcomes(s.store)[name]).startswith("The study is ending")


@pytest.mark.parametrize(
    "failure", [None, "NotEvaluated: The model is exported.\n\nTraceback (most recent call last):"]
)
def test_a_failed_export_of_the_winner_is_recorded(failure: str | None, study) -> None:
    s = study(function=None, model=lambda _: None, data="digits", budget=Budget(trials=1, epochs=1))
    with recording_end(s.session, s.store, Interrupts(), new=True):
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


@pytest.mark.parametrize("asked", [False, True])
def test_only_a_stop_that_a_user_asked_for_is_final(asked: bool, study) -> None:
    s = study(budget=Budget(trials=1, epochs=3))

    def interrupted() -> None:
        with recording_end(s.session, s.store, Interrupts(), new=True):
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
        with recording_end(s.session, s.store, Interrupts(), new=True):
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
        with recording_end(s.session, s.store, Interrupts(), new=True):
            s.session.begin()
            s.store.write("sessions/0002.json", b"{}")
            raise StorageError("Cannot write trials.parquet: No such file or directory.")

    with pytest.raises(Superseded, match="session 2, has taken over"):
        replaced()
    assert s.store.read("sessions/0002.json") == b"{}"
