"""Requests to a driver: commands, executed once and answered, and a stop, by a file and a signal."""

import json
import os
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.commands import Continue, Enqueue, Pause, StopTrial, command_object
from pipeline.engine.messages import Report
from pipeline.errors import StorageError
from pipeline.execution import commands
from pipeline.execution.commands import (
    CommandInbox,
    is_paused,
    outcomes,
    request_stop,
    running_session,
    send,
    wait_for_end,
    wait_for_outcome,
)
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.storage.sessions import read_sessions
from pipeline.study import layout
from tests.clocks import Leaping
from tests.unit.execution.recorded_curves import Study, row


@pytest.fixture
def begun(study: Any, monkeypatch: pytest.MonkeyPatch) -> Study:
    """A study whose driver may look for commands at any time."""
    monkeypatch.setattr(commands, "time", Leaping())
    s: Study = study()
    s.session.begin()
    return s


def _step(s: Study, trial_id: str, epoch: int) -> str:
    return s.session.on_report(trial_id, Report((row(epoch, 0.5),), checkpoints=[(trial_id, epoch, 1)]))


def test_a_driver_executes_a_command_and_writes_its_outcome(begun: Study) -> None:
    s, trial = begun, begun.session.next()
    assert trial is not None
    name = send(s.store, Enqueue(config={"x": 0.25}))
    assert outcomes(s.store) == {name: None}
    _step(s, trial.trial_id, 1)
    assert outcomes(s.store) == {name: "The config is tried next, as trial 0001."}
    assert wait_for_outcome(s.store, name) == "The config is tried next, as trial 0001."
    following = s.session.next()
    assert following is not None
    assert following.config == {"x": 0.25}


def test_a_pause_is_for_one_session(begun: Study) -> None:
    s, trial = begun, begun.session.next()
    assert trial is not None
    old = send(s.store, Pause(session=7))
    _step(s, trial.trial_id, 1)
    assert outcomes(s.store)[old] == "It was for session 7, which has ended."
    send(s.store, Pause(session=1))
    assert _step(s, trial.trial_id, 2) == "continue"
    assert (s.session.engine.paused is not None, is_paused(read_sessions(s.store, resume=True)[-1])) == (True, True)
    assert _step(s, trial.trial_id, 3) == "pause"
    assert s.session.next() is None
    assert not s.session.ended
    send(s.store, Continue(session=1))
    s.session.beat()
    assert not is_paused(read_sessions(s.store)[-1])
    again = s.session.next()
    assert again is not None
    assert (again.trial_id, s.session.engine.trials[again.trial_id].epoch) == (trial.trial_id, 3)


def test_a_command_does_not_wait_for_a_dead_driver(tmp_path: Path) -> None:
    store = Store(tmp_path)
    now = datetime.now(UTC).isoformat()
    content = {"number": 1, "state": "finished", "started": now, "heartbeat": now, **identity()}
    store.write(layout.session(1), json.dumps(content))
    assert running_session(store) is None
    assert wait_for_outcome(store, send(store, StopTrial(trial_id="0000"))) is None


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path / "s")


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(commands.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def _write(store: Store, number: int = 1, **fields: Any) -> None:
    """Write the file of a session that this process drives."""
    now = datetime.now(UTC).isoformat()
    content = {"number": number, "state": "running", "started": now, "heartbeat": now, **identity()}
    store.write(layout.session(number), json.dumps({**content, **fields}))


def test_a_driver_is_asked_by_a_file_and_a_signal(
    store: Store, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "handles", lambda *_: True)
    _write(store, 3, takes_signals=True)
    for _ in range(2):
        session = request_stop(store)
        assert session is not None
        assert session["number"] == 3
    assert signals == [(os.getpid(), signal.SIGTERM)]
    assert store.exists(layout.stop_request(3))


@pytest.mark.parametrize("fields", [{"takes_signals": False}, {"takes_signals": True, "host": "elsewhere"}])
def test_a_driver_that_no_signal_reaches_finds_the_file(
    store: Store, signals: list[tuple[int, int]], fields: dict[str, Any]
) -> None:
    _write(store, **fields)
    assert request_stop(store) is not None
    assert signals == []
    assert store.exists(layout.stop_request(1))


def test_a_process_that_handles_no_signal_gets_none(
    store: Store, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "handles", lambda *_: False)
    _write(store, takes_signals=True)
    assert request_stop(store) is not None
    assert signals == []


@pytest.mark.parametrize("fields", [{"state": "finished"}, {"process_started_after_boot": 1.0}])
def test_without_a_live_driver_no_stop_is_requested(store: Store, fields: dict[str, Any]) -> None:
    _write(store, **fields)
    assert request_stop(store) is None
    assert not store.exists(layout.stop_request(1))
    assert request_stop(Store(Path(store.uri) / "nothing")) is None


def test_the_end_of_a_session_is_awaited(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(store)
    session = request_stop(store)
    assert session is not None
    rounds: list[Any] = [lambda: None, lambda: _write(store, state="interrupted")]
    monkeypatch.setattr(commands.time, "sleep", lambda _: rounds.pop(0)())
    assert wait_for_end(store, session) == "interrupted"
    assert rounds == []
    _write(store, 2)
    assert wait_for_end(store, session) == "running"


FIRST, SECOND = "20261126T095501584630-1ec8178b", "20261126T095501584631-00000000"
STOP = StopTrial(trial_id="0001")


def _found(store: Store, *known: str) -> dict[str, Any]:
    return dict(CommandInbox(store).new(known, immediately=True))


def test_new_commands_are_found_the_oldest_first(store: Store) -> None:
    for name in (SECOND, FIRST):
        store.write(layout.command(name), json.dumps(command_object(STOP)))
    store.write("commands/notes.txt", "mine")
    assert list(_found(store).items()) == [(FIRST, STOP), (SECOND, STOP)]
    assert list(_found(store, FIRST)) == [SECOND]
    assert list(CommandInbox(store).new(())) == []


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"kind": "format-disk"}', "null", "9" * 5000, '{"kind": []}', b" " * 2_000_000]
)
def test_a_file_that_is_no_command_is_reported(store: Store, content: str) -> None:
    store.write(layout.command(FIRST), content)
    assert str(_found(store)[FIRST]).startswith("It ")


@pytest.mark.parametrize("error", [StorageError("The storage does not answer."), FileNotFoundError("It is gone.")])
def test_a_command_that_cannot_be_read_now_is_found_later(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> bytes:
        raise error

    # Without hard links it is empty for a moment.
    store.write(layout.command(FIRST), "")
    assert _found(store) == {}
    store.write(layout.command(FIRST), json.dumps(command_object(STOP)))
    with monkeypatch.context() as failing:
        failing.setattr(Store, "read", fail)
        assert _found(store) == {}
    assert _found(store) == {FIRST: STOP}
