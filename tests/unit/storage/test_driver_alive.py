"""The files of a study's sessions, as other processes read them."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StorageError
from pipeline.storage import Store, sessions
from pipeline.storage.processes import identity
from pipeline.storage.sessions import (
    SILENT_SECONDS,
    Watch,
    driver_alive,
    read_sessions,
    state_in,
)
from pipeline.study import layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s")


def _write(store: Store, number: int, *, age: float = 0.0, ahead: float = 0.0, **fields: Any) -> Any:
    written = datetime.now(UTC) - timedelta(seconds=age)
    heartbeat = (written + timedelta(seconds=ahead)).isoformat()
    content = {"number": number, "state": "running", "started": heartbeat, "heartbeat": heartbeat}
    content |= {"host": "elsewhere", "pid": 7, **fields}
    store.write(layout.session(number), json.dumps(content))
    os.utime(Path(store.uri) / layout.session(number), (written.timestamp(), written.timestamp()))
    return read_sessions(store)[-1]


def test_a_driver_of_this_machine_lives_as_long_as_its_process(store: Store) -> None:
    assert driver_alive(store, _write(store, 1, **identity()))
    dead = {**identity(), "process_started_after_boot": 1.0}
    assert not driver_alive(store, _write(store, 1, **dead))
    assert not driver_alive(store, _write(store, 1, **{**identity(), "state": "finished"}))


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_driver_that_has_been_silent_for_long_is_dead(store: Store, ahead: float) -> None:
    session = _write(store, 1, age=SILENT_SECONDS + 10, ahead=ahead)
    assert not driver_alive(store, session)
    assert state_in(store, [session]) == "interrupted"
    assert [entry.path for entry in store.entries() if entry.kind == "file"] == [layout.session(1)]


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_driver_lives_however_its_clock_is_set(store: Store, clock: dict[float, Any], ahead: float) -> None:
    session = _write(store, 1, age=10, ahead=ahead)
    assert state_in(store, [session]) == "running"
    clock[15.0] = lambda: _write(store, 1, ahead=ahead)
    assert driver_alive(store, session)


@pytest.mark.parametrize("ahead", [-7200.0, 0.0, 7200.0])
def test_a_watched_driver_is_dead_when_its_heartbeat_stands_still(
    store: Store, clock: dict[float, Any], ahead: float
) -> None:
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
    def full(*_: Any) -> float:
        raise StorageError("read-only")

    monkeypatch.setattr(Store, "age", full)
    session = _write(store, 1, age=SILENT_SECONDS + 10)
    assert state_in(store, [session]) == "interrupted"
    assert not driver_alive(store, session)
    clock[sessions.time.monotonic() + 15.0] = lambda: _write(store, 1)
    assert driver_alive(store, session)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[float, Any]:
    events: dict[float, Any] = {}
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        for at in [at for at in events if at <= now[0]]:
            events.pop(at)()

    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sessions.time, "sleep", sleep)
    return events


def test_a_remote_driver_without_heartbeat_is_dead(store: Store, clock: dict[float, Any]) -> None:
    assert not driver_alive(store, _write(store, 1, heartbeat=None))
    session = _write(store, 1, age=0)
    clock[3.0] = lambda: _write(store, 1, age=0, state="interrupted")
    assert not driver_alive(store, session)
