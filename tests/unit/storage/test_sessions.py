"""The file of a driver session: one number for one driver, and what others read of it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import StorageError, StudyExists, Superseded
from pipeline.storage import Store, layout, sessions
from pipeline.storage.sessions import (
    SILENT_SECONDS,
    Lease,
    SessionRecord,
    driver_alive,
    heartbeat,
    identity,
    lives,
    read_sessions,
    state_of,
)

_SESSION = {"number": 1, "state": "ended", "started": "2025-03-14T09:30:00+00:00"}


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
    return clock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s")


def written(store: Store, **fields: object) -> Any:
    session = {**_SESSION, **fields}
    store.write(layout.session(int(str(session["number"]))), json.dumps(session))
    return session


def taken(store: Store) -> Lease:
    lease = Lease(store, 1)
    lease.write("running", {}, "{}")
    return lease


def test_a_driver_takes_its_number_with_the_first_heartbeat(store: Store) -> None:
    lease = Lease(store, 2, seconds_before=100.0)
    lease.check()
    assert not lease.taken
    lease.write("running", {"nodes": [{"host": "a", "cores": 2}]}, '{"decided": 3}')
    (session,) = read_sessions(store, resume=True)
    assert lease.taken
    assert (session.number, session.state, session.ended, session.resume) == (2, "running", None, {"decided": 3})
    assert [node["host"] for node in session.nodes] == ["a"]
    assert 100.0 <= session.seconds <= lease.seconds
    assert lives(session)
    lease.leave()
    assert lives(session) is False


def test_two_drivers_cannot_have_one_number(store: Store) -> None:
    Lease(store, 1).write("running", {"message": "first"}, "{}")
    second = Lease(store, 1)
    with pytest.raises(Superseded):
        second.write("running", {"message": "second"}, "{}")
    assert not second.taken
    assert read_sessions(store)[0].message == "first"


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
        lease.write("running", {"message": "again"}, "{}")
    assert {path: store.read(path) for path in store.files()} == before


def test_a_driver_asks_the_storage_once_a_second(store: Store, clock: Clock) -> None:
    lease = taken(store)
    lease.check()
    store.write(layout.stop_request(1), "{}")
    clock.now = 0.9
    assert not lease.stop_requested()
    assert lease.stop_requested(immediately=True)
    written(store, number=2)
    lease.check()
    clock.now = 1.0
    with pytest.raises(Superseded):
        lease.check()


def test_the_heartbeat_goes_on_while_the_main_thread_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "BEAT_SECONDS", 0.01)
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(threading.current_thread())
        if len(beats) == 3:
            enough.set()
        raise StorageError("A heartbeat that fails is tried again.")

    with heartbeat(beat):
        assert enough.wait(30)
    assert threading.current_thread() not in beats


def test_sessions_are_ordered_and_only_the_last_has_its_state(store: Store) -> None:
    state = {"trials": ["x" * 100_000]}
    written(store, message='It said ", "resume": {}".', heartbeat="2025-03-14T09:30:05", resume=state)
    written(store, number=3, message="x" * 100_000, resume=state)
    # The state need not be the last field.
    store.write(layout.session(12), json.dumps({"resume": {"trials": [12]}, **_SESSION, "number": 12}))
    store.write("sessions/notes.txt", "none")
    for resume, last in ((True, {"trials": [12]}), (False, None)):
        found = read_sessions(store, resume=resume)
        assert [session.number for session in found] == [1, 3, 12]
        assert [session.message[:8] for session in found] == ["It said ", "xxxxxxxx", ""]
        assert [session.resume for session in found] == [None, None, last]
    assert (found[0].heartbeat, found[0].seconds, found[0].pid) == ("2025-03-14T09:30:05+00:00", 0.0, 0)


def test_a_large_state_is_not_read_without_need(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    written(store, resume={"trials": ["x" * 1_000_000]})
    monkeypatch.setattr(Store, "read", lambda *_, **__: pytest.fail("the whole file was read"))
    assert [session.number for session in read_sessions(store)] == [1]


@pytest.mark.parametrize(
    ("field", "value"), [("state", "nope"), ("number", 0), ("started", None), ("seconds", -1.0), ("resume", [])]
)
def test_an_invalid_value_is_reported(store: Store, field: str, value: object) -> None:
    store.write(layout.session(1), json.dumps({**_SESSION, field: value}))
    with pytest.raises(StorageError, match=rf"sessions/0001\.json in .* is not a session file: {field}: "):
        read_sessions(store, resume=True)


NOW = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)
RECENT = "2025-03-14T09:30:55+00:00"


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "running"),
        ({"pid": 2**31 - 1}, "interrupted"),
        ({"process_started_after_boot": 1e9}, "interrupted"),
        ({"boot_id": "another"}, "interrupted"),
        ({"boot_id": "another", "heartbeat": RECENT}, "running"),
        ({"pid_namespace": "pid:[1]", "heartbeat": RECENT}, "running"),
        ({"host": "another", "heartbeat": None, "started": RECENT}, "running"),
        ({"state": "failed"}, "failed"),
    ],
    ids=str,
)
def test_the_state_of_a_study_whose_session_has_not_ended(fields: dict[str, object], state: str) -> None:
    session = {**_SESSION, "state": "running", "heartbeat": "2025-03-14T09:29:00+00:00", **identity(), **fields}
    assert state_of([SessionRecord.model_validate(session)], NOW) == state
    assert state_of([], NOW) == "waiting"


def test_a_process_that_lives_and_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        monkeypatch.setattr(os, "getpid", lambda: child.pid)
        record = SessionRecord.model_validate({**_SESSION, **identity()})
        assert record.pid == child.pid
        assert all((record.host, record.boot_id, record.pid_namespace))
        # Seconds since the boot, not since 1970.
        assert (record.process_started_after_boot or 1e9) < 1e9
        assert lives(record) is True
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert lives(record) is False
    finally:
        child.kill()
        child.wait()
    assert lives(record) is False


def _beat(store: Store, ago: float, **fields: object) -> Any:
    beat = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    written(store, **{"state": "running", "heartbeat": beat, "host": "elsewhere", **fields})
    return read_sessions(store)[-1]


def test_a_driver_of_this_machine_lives_as_long_as_its_process(store: Store) -> None:
    assert driver_alive(store, _beat(store, 600, **identity()))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"process_started_after_boot": 1.0}))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"state": "ended"}))


@pytest.mark.parametrize("ago", [10.0, -7200.0], ids=["recent", "by a clock that is ahead"])
def test_a_driver_of_another_machine_is_watched(store: Store, clock: Clock, ago: float) -> None:
    session = _beat(store, ago)
    assert not driver_alive(store, session)
    at = clock.now + 15.0
    clock.events[at] = lambda: _beat(store, 0)
    assert driver_alive(store, session)
    assert clock.now == at
    session = _beat(store, ago)
    clock.events[at + 3.0] = lambda: _beat(store, 0, state="interrupted")
    assert not driver_alive(store, session)


def test_a_driver_that_has_been_silent_for_long_is_dead_at_once(store: Store, clock: Clock) -> None:
    assert not driver_alive(store, _beat(store, SILENT_SECONDS + 10))
    assert clock.now == 0


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for step in range(4):
        yield {"score": config["x"] + step}


def job(epochs: int = 2) -> TuneJob:
    return TuneJob(
        name="s",
        function=climb,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=2, epochs=epochs),
        resources={"workers": 0},
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    run(job(), storage=folder)
    return folder / "s"


@pytest.fixture
def running(study: Path, tmp_path: Path) -> Store:
    shutil.copytree(study, tmp_path / "s")
    store = Store(tmp_path / "s")
    _change(store, state="running", heartbeat=datetime.now(UTC).isoformat(), ended=None, mark=None)
    return store


def _change(store: Store, **fields: Any) -> None:
    whole = {**store.read_json(layout.session(1), most=None), **fields}
    store.write(layout.session(1), json.dumps({name: value for name, value in whole.items() if value is not None}))


def _resume(store: Store, **options: Any) -> list[str]:
    reported: list[str] = []
    run(job(4), storage=Path(store.uri).parent, resume=True, note=reported.append, **options)
    assert load_results(store.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    return reported


def test_a_live_driver_is_replaced_only_on_request(running: Store) -> None:
    with pytest.raises(StudyExists):
        _resume(running)
    (reported,) = _resume(running, take_over=True)
    own = identity()
    assert reported.startswith(f"Session 1 is taken over: process {own['pid']} on {own['host']}, ")


def test_a_session_that_cannot_be_read_is_named_and_nothing_is_written(running: Store) -> None:
    _change(running, started="yesterday")
    before = {path: running.read(path) for path in running.files()}
    for options in ({}, {"take_over": True}):
        with pytest.raises(StorageError, match=r"sessions/0001\.json"):
            _resume(running, **options)
    assert {path: running.read(path) for path in running.files()} == before
