"""The files of a study's sessions, as other processes read them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Store, sessions
from pipeline.storage.lease import check_newest
from pipeline.storage.processes import identity
from pipeline.storage.sessions import (
    SILENT_SECONDS,
    Watch,
    describe_driver,
    driver_alive,
    heartbeat_within,
    read_sessions,
    state_in,
)
from pipeline.study import layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path / "s")


def _write(store: Store, number: int, *, age: float = 0.0, ahead: float = 0.0, **fields: Any) -> Any:
    """Write a session's file, as of another machine unless given otherwise; the session as it is read.

    It was written `age` seconds ago, by a driver whose clock is `ahead` seconds ahead of this machine's.
    """
    written = datetime.now(UTC) - timedelta(seconds=age)
    heartbeat = (written + timedelta(seconds=ahead)).isoformat()
    content = {"number": number, "state": "running", "started": heartbeat, "heartbeat": heartbeat}
    content |= {"host": "elsewhere", "pid": 7, **fields}
    store.write(layout.session(number), json.dumps(content))
    os.utime(Path(store.uri) / layout.session(number), (written.timestamp(), written.timestamp()))
    return read_sessions(store)[-1]


def _no_note(text: str) -> None:
    raise AssertionError(text)


def test_the_newest_session_may_write(store: Store) -> None:
    """Only the newest session may write, and other files in the sessions folder are ignored."""
    check_newest(store, 1)
    for number in (1, 2, 10):
        _write(store, number)
    store.write("sessions/notes.json", "{}")
    check_newest(store, 10)
    with pytest.raises(Superseded):
        check_newest(store, 2)


@pytest.mark.parametrize(
    ("session", "words"),
    [
        ({"pid": 7, "host": "a", "heartbeat": "noon"}, "process 7 on a, last heartbeat at noon"),
        ({"pid": 7, "host": "a", "heartbeat": None}, "process 7 on a"),
        ({"pid": 0, "host": "", "heartbeat": None}, "a driver whose host is not recorded"),
    ],
)
def test_a_driver_is_described_by_what_is_known(session: dict[str, Any], words: str) -> None:
    """A driver is described by its process, host and heartbeat, as far as they are known."""
    assert describe_driver(session) == words


def test_a_driver_of_this_machine_lives_as_long_as_its_process(store: Store) -> None:
    """A local driver lives as long as its process, without a wait, and an ended session has no driver."""
    assert driver_alive(store, _write(store, 1, **identity()), _no_note)
    dead = {**identity(), "process_started_after_boot": 1.0}
    assert not driver_alive(store, _write(store, 1, **dead), _no_note)
    assert not driver_alive(store, _write(store, 1, **{**identity(), "state": "finished"}), _no_note)


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_driver_that_has_been_silent_for_long_is_dead(store: Store, ahead: float) -> None:
    """A driver on another machine whose last heartbeat is too old is dead, without a wait, however its clock is set."""
    session = _write(store, 1, age=SILENT_SECONDS + 10, ahead=ahead)
    assert not driver_alive(store, session, _no_note)
    assert state_in(store, [session]) == "interrupted"
    assert [entry.path for entry in store.entries() if entry.kind == "file"] == [layout.session(1)]


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_driver_lives_however_its_clock_is_set(store: Store, clock: dict[float, Any], ahead: float) -> None:
    """A driver on another machine is alive if its heartbeat moves, even where its clock is hours behind or ahead."""
    session = _write(store, 1, age=10, ahead=ahead)
    assert state_in(store, [session]) == "running"
    clock[15.0] = lambda: _write(store, 1, ahead=ahead)
    assert driver_alive(store, session, lambda _: None)


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_watched_driver_is_dead_when_its_heartbeat_stands_still(
    store: Store, clock: dict[float, Any], ahead: float
) -> None:
    """A watched driver of another machine is alive until its heartbeat has stood still for long enough."""
    watch = Watch()
    assert watch.state([]) == "waiting"
    for _ in range(3):
        session = _write(store, 1, ahead=ahead)
        assert watch.state([session]) == "running"
        sessions.time.sleep(SILENT_SECONDS)
        assert watch.state([session]) == "running"
    sessions.time.sleep(1.0)
    assert watch.state([session]) == "interrupted"
    assert watch.state([_write(store, 1, state="finished")]) == "finished"


def test_a_driver_is_watched_where_the_storage_cannot_be_written(
    store: Store, clock: dict[float, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file can be written, as on a read-only disk, a driver is dead if its heartbeat stands still."""

    def full(*_: Any) -> float:
        raise StorageError("read-only")

    monkeypatch.setattr(Store, "age", full)
    session = _write(store, 1, age=SILENT_SECONDS + 10)
    assert state_in(store, [session]) == "interrupted"
    assert not driver_alive(store, session, lambda _: None)
    clock[sessions.time.monotonic() + 15.0] = lambda: _write(store, 1)
    assert driver_alive(store, session, lambda _: None)


def test_a_session_that_is_deleted_meanwhile_has_no_driver(store: Store, clock: dict[float, Any]) -> None:
    """A study that is deleted before or while its driver is looked for has none."""
    session = _write(store, 1)
    clock[3.0] = lambda: store.delete(layout.session(1))
    assert not driver_alive(store, session, lambda _: None)
    assert not driver_alive(store, session, _no_note)
    assert state_in(store, [session]) == "interrupted"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[float, Any]:
    """A clock that only sleeping moves; values are called when it has reached their keys."""
    events: dict[float, Any] = {}
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        for at in [at for at in events if at <= now[0]]:
            events.pop(at)()

    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sessions.time, "sleep", sleep)
    return events


def test_a_heartbeat_shows_that_a_remote_driver_lives(store: Store, clock: dict[float, Any]) -> None:
    """A resume waits for a remote driver's heartbeat and reports how long, for whom and how to skip the wait."""
    reported: list[str] = []
    session = _write(store, 1, age=20)
    clock[15.0] = lambda: _write(store, 1, age=0)
    assert driver_alive(store, session, reported.append)
    assert "process 7 on elsewhere" in reported[0]
    assert "Waiting up to 40 s" in reported[0]
    assert "--take-over" in reported[0]


def test_a_remote_driver_without_heartbeat_is_dead(store: Store, clock: dict[float, Any]) -> None:
    """A remote driver whose heartbeat does not move is dead, even if it ends during the wait."""
    assert not driver_alive(store, _write(store, 1, heartbeat=None), lambda _: None)
    session = _write(store, 1, age=0)
    clock[3.0] = lambda: _write(store, 1, age=0, state="interrupted")
    assert not driver_alive(store, session, lambda _: None)


def test_a_new_session_is_a_sign_of_life(store: Store, clock: dict[float, Any]) -> None:
    """A new session within the waiting time counts as a sign of life."""
    _write(store, 1)
    clock[8.0] = lambda: _write(store, 2)
    assert not heartbeat_within(store, 5.0)
    assert heartbeat_within(store, 5.0)
