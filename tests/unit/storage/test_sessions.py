"""A driver session's own file, read back."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import StorageError
from pipeline.storage import Store, sessions
from pipeline.storage.processes import identity
from pipeline.storage.sessions import SILENT_SECONDS, driver_alive, read_sessions, state_of
from pipeline.study import layout

_SESSION = {"number": 1, "state": "finished", "started": "2025-03-14T09:30:00+00:00"}


def _store(folder: Path, **fields: object) -> Store:
    store = Store(folder)
    store.write(layout.session(1), json.dumps(_SESSION | fields))
    return store


def test_sessions_are_ordered_by_number(tmp_path: Path) -> None:
    store = _store(tmp_path, heartbeat="2025-03-14T09:30:05")
    store.write(layout.session(12), json.dumps(_SESSION | {"number": 12, "state": "running"}))
    store.write("sessions/notes.txt", "none")
    first, second = read_sessions(store)
    assert (first["number"], second["number"], second["state"]) == (1, 12, "running")
    assert first["heartbeat"] == "2025-03-14T09:30:05+00:00"
    assert (first["seconds"], first["resume"]) == (0.0, None)


def test_a_session_that_vanishes_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path)
    listed = store.files("sessions")
    store.delete(layout.session(1))
    monkeypatch.setattr(Store, "files", lambda *_: listed)
    assert read_sessions(store) == []


@pytest.mark.parametrize("state", ["", "x" * 100_000])
def test_only_the_last_session_has_its_state(tmp_path: Path, state: str) -> None:
    store = Store(tmp_path)
    for number in (1, 2):
        session = {**_SESSION, "number": number, "message": 'It said ", "resume": {}".', "resume": {"trials": [state]}}
        store.write(layout.session(number), json.dumps(session))
    cut = json.dumps({**_SESSION, "number": 3, "message": "x" * 100_000, "resume": {"trials": [state]}})
    store.write(layout.session(3), cut)
    store.write(layout.session(4), json.dumps({"resume": {"trials": [4]}, **_SESSION, "number": 4}))
    for resume, last in ((True, {"trials": [4]}), (False, None)):
        found = read_sessions(store, resume=resume)
        assert [session["message"][:8] for session in found] == ["It said ", "It said ", "xxxxxxxx", ""]
        assert [session["resume"] for session in found] == [None, None, None, last]


def test_a_large_state_is_not_read_without_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = _store(tmp_path, resume={"trials": ["x" * 1_000_000]})
    monkeypatch.setattr(Store, "read", lambda *_, **__: pytest.fail("the whole file was read"))
    assert [session["number"] for session in read_sessions(store)] == [1]


@pytest.mark.parametrize(
    ("field", "value"), [("state", "nope"), ("number", 0), ("started", None), ("seconds", -1.0), ("resume", [])]
)
def test_an_invalid_value_is_reported(tmp_path: Path, field: str, value: object) -> None:
    with pytest.raises(StorageError, match=rf"sessions/0001\.json in .* is not a session file: {field}: "):
        read_sessions(_store(tmp_path, **{field: value}), resume=True)


NOW = datetime(2025, 3, 14, 9, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "running"),
        ({"pid": 2**31 - 1}, "interrupted"),
        ({"process_started_after_boot": 1e9}, "interrupted"),
        ({"boot_id": "another"}, "interrupted"),
        ({"boot_id": "another", "heartbeat": "2025-03-14T09:30:55+00:00"}, "running"),
        ({"host": "another", "heartbeat": "2025-03-14T09:30:55+00:00"}, "running"),
        ({"host": "another", "heartbeat": None, "started": "2025-03-14T09:30:55+00:00"}, "running"),
        ({"state": "failed"}, "failed"),
    ],
    ids=str,
)
def test_the_state_of_a_study_whose_session_has_not_ended(fields: dict[str, object], state: str) -> None:
    session = {"state": "running", "started": _SESSION["started"], "heartbeat": "2025-03-14T09:29:00+00:00"}
    assert state_of([{**session, **identity(), **fields}], NOW) == state


def test_a_study_that_never_had_a_driver_waits() -> None:
    assert state_of([], NOW) == "waiting"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[float, Callable[[], object]]:
    """What happens at which second of the waiting."""
    events: dict[float, Callable[[], object]] = {}
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        for at in [at for at in events if at <= now[0]]:
            events.pop(at)()

    monkeypatch.setattr(sessions.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sessions.time, "sleep", sleep)
    return events


def _beat(store: Store, ago: float, **fields: object) -> Any:
    beat = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    _store(Path(store.uri), **{"state": "running", "heartbeat": beat, "host": "elsewhere", **fields})
    return read_sessions(store)[-1]


def test_a_driver_of_this_machine_lives_as_long_as_its_process(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert driver_alive(store, _beat(store, 600, **identity()))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"process_started_after_boot": 1.0}))
    assert not driver_alive(store, _beat(store, 0, **identity() | {"state": "finished"}))


@pytest.mark.parametrize("ago", [10.0, -7200.0], ids=["recent", "by a clock that is ahead"])
def test_a_driver_of_another_machine_is_watched(
    tmp_path: Path, clock: dict[float, Callable[[], object]], ago: float
) -> None:
    store = Store(tmp_path)
    session = _beat(store, ago)
    assert not driver_alive(store, session)
    at = sessions.time.monotonic() + 15.0
    clock[at] = lambda: _beat(store, 0)
    assert driver_alive(store, session)
    assert sessions.time.monotonic() == at
    session = _beat(store, ago)
    clock[at + 3.0] = lambda: _beat(store, 0, state="interrupted")
    assert not driver_alive(store, session)


def test_a_driver_that_has_been_silent_for_long_is_dead_at_once(
    tmp_path: Path, clock: dict[float, Callable[[], object]]
) -> None:
    session = _beat(Store(tmp_path), SILENT_SECONDS + 10)
    assert not driver_alive(Store(tmp_path), session)
    assert sessions.time.monotonic() == 0
    assert state_of([session]) == "interrupted"
