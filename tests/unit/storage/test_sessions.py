"""The file of a driver session: one number for one driver, and what others read of it."""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Store, layout, sessions
from pipeline.storage.sessions import (
    SILENT_SECONDS,
    Lease,
    SessionRecord,
    driver_alive,
    driver_seconds,
    heartbeat,
    identity,
    lives,
    read_sessions,
    state_of,
)
from pipeline.text import notes_to

_SESSION = {"number": 1, "state": "ended", "started": "2025-03-14T09:30:00+00:00", "tables": {}}


class Clock:
    """Time that passes in `sleep` alone, with what happens then."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events: dict[float, Callable[[], object]] = {}

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        for at in [at for at in self.events if at <= self.now]:
            self.events.pop(at)()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions.time, "monotonic", lambda: clock.now)
    monkeypatch.setattr(sessions.time, "sleep", clock.sleep)
    date = lambda _zone: NOW + timedelta(seconds=clock.now)  # noqa: E731
    monkeypatch.setattr(sessions, "datetime", type("Date", (datetime,), {"now": date}))
    return clock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s")


def written(store: Store, **fields: object) -> Any:
    session = {**_SESSION, **fields}
    store.write(layout.session(int(str(session["number"]))), json.dumps(session, separators=(",", ":")))
    return session


def taken(store: Store) -> Lease:
    lease = Lease(store, 1, seconds_before=0.0)
    lease.write("running", "{}", tables={})
    return lease


def test_a_driver_takes_its_number_with_the_first_heartbeat(store: Store, clock: Clock) -> None:
    clock.now = 5.0
    lease = Lease(store, 2, seconds_before=100.0)
    lease.check()
    assert not lease.taken
    lease.write("running", '{"decided": 3}', nodes=[{"host": "a", "cores": 2}], tables={})
    (session,) = read_sessions(store, resume=True)
    assert lease.taken
    assert (session.number, session.state, session.ended, session.resume) == (2, "running", None, {"decided": 3})
    assert [node["host"] for node in session.nodes] == ["a"]
    clock.now = 12.0
    assert (session.seconds, lease.seconds) == (100.0, 107.0)
    assert lives(session)
    lease.leave()
    assert lives(session) is False


def test_two_drivers_cannot_have_one_number(store: Store) -> None:
    Lease(store, 1, seconds_before=0.0).write("running", "{}", message="first \udcff", tables={})
    second = Lease(store, 1, seconds_before=0.0)
    with pytest.raises(Superseded):
        second.write("running", "{}", message="second", tables={})
    assert not second.taken
    assert read_sessions(store)[0].message == "first \udcff"


@pytest.mark.parametrize("replacement", ["another mark", "a later session", "damage", "nothing"])
def test_a_driver_that_was_replaced_writes_nothing(store: Store, replacement: str) -> None:
    lease = taken(store)
    own = store.read(layout.session(1))
    if replacement == "another mark":
        store.write(layout.session(1), json.dumps({**json.loads(own), "mark": "another"}))
    elif replacement == "a later session":
        store.write(layout.session(2), own)
    elif replacement == "damage":
        store.write(layout.session(1), "{")
    else:
        store.delete(layout.session(1))
    before = {path: store.read(path) for path in store.files()}
    with pytest.raises(Superseded):
        lease.write("running", "{}", message="again", tables={})
    assert {path: store.read(path) for path in store.files()} == before


def test_a_driver_asks_the_storage_once_a_second(store: Store, clock: Clock) -> None:
    clock.now = 5.0
    lease = taken(store)
    lease.check()
    store.write(layout.stop_request(1), "{}")
    clock.now = 5.9
    assert not lease.stop_requested()
    assert copy(lease).stop_requested(immediately=True)
    written(store, number=2)
    lease.check()
    clock.now = 6.0
    assert lease.stop_requested()
    with pytest.raises(Superseded):
        lease.check()


def test_the_heartbeat_goes_on_while_the_main_thread_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 1.2)
    beats, ends, enough = [], [], threading.Event()

    def beat() -> None:
        beats.append(threading.current_thread())
        if len(beats) == 2:
            enough.set()
            ends.append(threading.Event().wait(0.1))
        raise StorageError("A heartbeat that fails is tried again.")

    with heartbeat(beat):
        assert enough.wait(12)
    assert ends
    assert threading.current_thread() not in beats


def test_sessions_are_ordered_and_only_the_last_has_its_state(store: Store) -> None:
    state = {"trials": ["x" * 100_000]}
    written(store, message='It said ","resume":{}".', heartbeat="2025-03-14T09:30:05", resume=state)
    written(store, number=3, message="x" * 100_000, workers=0, seconds=0.5, resume=state)
    # The state need not be the last field.
    store.write(layout.session(12), json.dumps({"resume": {"trials": [12]}, **_SESSION, "number": 12}))
    store.write("sessions/notes.txt", "none")
    for resume, last in ((True, {"trials": [12]}), (False, {})):
        found = read_sessions(store, resume=resume)
        assert [session.number for session in found] == [1, 3, 12]
        assert [session.message[:8] for session in found] == ["It said ", "xxxxxxxx", ""]
        assert [session.resume for session in found] == [{}, {}, last]
    assert (found[0].heartbeat, found[0].seconds, found[0].pid) == ("2025-03-14T09:30:05+00:00", 0.0, 0)


def test_a_large_state_is_not_read_without_need(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, resume={"trials": ["x" * 1_000_000]})
    monkeypatch.setattr(Store, "read", lambda *_, **__: pytest.fail("the whole file was read"))
    assert [session.number for session in read_sessions(store)] == [1]


_INVALID = [
    ("state", "nope"), ("number", 0), ("started", None), ("seconds", -1.0), ("seconds", 1e12), ("pid", 2**31),
    ("resume", []),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "fault"),
    [("", "it is not JSON"), ("[]", "the whole"), *((json.dumps({**_SESSION, name: x}), name) for name, x in _INVALID)],
)
def test_what_is_not_a_session_is_reported(store: Store, text: str, fault: str) -> None:
    store.write(layout.session(1), text)
    with pytest.raises(StorageError, match=rf"sessions/0001\.json in .* is not a session file: {fault}: "):
        read_sessions(store, resume=True)


NOW = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)
RECENT = "2025-03-14T09:30:55+00:00"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "running"),
        ({"pid": 2**31 - 1}, "interrupted"),
        ({"boot_id": "another", "heartbeat": "2025-03-14T09:29:59+00:00"}, "interrupted"),
        ({"boot_id": "another", "heartbeat": "2025-03-14T09:30:00+00:00"}, "running"),
        ({"pid_namespace": "pid:[1]", "heartbeat": RECENT}, "running"),
        ({"host": "another", "heartbeat": None, "started": RECENT}, "running"),
        ({"state": "failed"}, "failed"),
    ],
    ids=str,
)
def test_the_state_of_a_study_whose_session_has_not_ended(fields: dict[str, object], state: str) -> None:
    session = {**_SESSION, "state": "running", "heartbeat": "2025-03-14T09:29:00+00:00", **identity(), **fields}
    assert state_of([SessionRecord.model_validate(session)], NOW) == state
    assert (state_of([], NOW), driver_seconds([])) == ("waiting", 0.0)


def test_a_process_that_lives_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        monkeypatch.setattr(os, "getpid", lambda: child.pid)
        record = SessionRecord.model_validate({**_SESSION, **identity()})
        assert record.pid == child.pid
        assert all((record.host, record.boot_id, record.pid_namespace))
        # Seconds since the boot, not since 1970.
        assert (record.process_started_after_boot or 1e9) < 1e9
        for later, alive in ((0.0, True), (-0.5, True), (1.5, False)):
            started = (record.process_started_after_boot or 0.0) + later
            assert lives(record.model_copy(update={"process_started_after_boot": started})) is alive
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lives(record) is False
    finally:
        child.kill()
        child.wait()
    assert lives(record) is False


def _beat(store: Store, ago: float, **fields: object) -> Any:
    beat = (sessions.datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    written(store, **{"state": "running", "heartbeat": beat, "host": "elsewhere", **fields})
    return read_sessions(store)[-1]


def test_whether_a_driver_of_this_machine_or_a_silent_one_lives_is_known_at_once(store: Store, clock: Clock) -> None:
    assert all(driver_alive(store, _beat(store, ago, **identity())) for ago in (0, 600))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"process_started_after_boot": 1.0}))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"state": "ended"}))
    assert not driver_alive(store, _beat(store, SILENT_SECONDS + 10))
    assert clock.now == 0


@pytest.mark.parametrize(
    ("ago", "wait"), [(10.0, 50), (59.2, 1), (-7200.0, 60)], ids=["recent", "nearly silent", "by a clock that is ahead"]
)
def test_a_driver_of_another_machine_is_watched(store: Store, clock: Clock, ago: float, wait: int) -> None:
    session, notes = _beat(store, ago), list[str]()
    with notes_to(notes.append):
        assert not driver_alive(store, session)
    assert clock.now == wait
    who = rf"process 0 on elsewhere, last heartbeat at {re.escape(session.heartbeat)}\. Waiting up to {wait} s"
    assert [bool(re.search(who, note)) for note in notes] == [True]
    session = _beat(store, 10)
    at = clock.now + 15.0
    clock.events[at] = lambda: _beat(store, 0)
    assert driver_alive(store, session)
    assert clock.now == at
    session = _beat(store, 10)
    clock.events[at + 3.0] = lambda: _beat(store, 0, state="interrupted")
    assert not driver_alive(store, session)
