"""Stopping a study."""

import json
import os
import shutil
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.execution import study_stop
from pipeline.execution.study_stop import request_stop, wait_for_end
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path / "s")


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """The signals that are sent to processes."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(study_stop.os, "kill", lambda pid, number: sent.append((pid, number)))
    return sent


def _write(store: Store, number: int = 1, **fields: Any) -> None:
    """Write the file of a session that this process drives."""
    content = {"number": number, "state": "running", "heartbeat": datetime.now(UTC).isoformat(), **identity()}
    store.write(layout.session(number), json.dumps({**content, **fields}))


def test_a_driver_is_asked_by_a_file_and_a_signal(
    store: Store, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop request writes a file and sends one signal to the driver, and a second request sends no other signal."""
    monkeypatch.setattr(study_stop, "handles", lambda *_: True)
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
    """A driver without signal handlers or on another machine gets no signal, but finds the stop request's file."""
    _write(store, **fields)
    assert request_stop(store) is not None
    assert signals == []
    assert store.exists(layout.stop_request(1))


def test_the_driver_of_another_copy_gets_no_signal(
    store: Store, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Stopping a copy of a running study does not end the original."""
    monkeypatch.setattr(study_stop, "handles", lambda *_: True)
    (tmp_path / "s").mkdir()
    _write(store, takes_signals=True, place=store.place)
    shutil.copytree(tmp_path / "s", tmp_path / "copy")
    assert request_stop(Store(tmp_path / "copy")) is not None
    assert signals == []
    assert request_stop(store) is not None
    assert len(signals) == 1


def test_a_process_that_handles_no_signal_gets_none(
    store: Store, signals: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook that outlived its study gets no signal, which would kill it, although the file says that it runs."""
    monkeypatch.setattr(study_stop, "handles", lambda *_: False)
    _write(store, takes_signals=True)
    assert request_stop(store) is not None
    assert signals == []


@pytest.mark.parametrize("fields", [{"state": "finished"}, {"process_started_after_boot": 1.0}])
def test_without_a_live_driver_no_stop_is_requested(store: Store, fields: dict[str, Any]) -> None:
    """Without a live driver no stop request is written, so that no later session finds one."""
    _write(store, **fields)
    assert request_stop(store) is None
    assert not store.exists(layout.stop_request(1))
    assert request_stop(Store(Path(store.uri) / "nothing")) is None


def test_the_end_of_a_session_is_awaited(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting for a stop ends when the session ends or another driver has begun."""
    _write(store)
    session = request_stop(store)
    assert session is not None
    rounds: list[Any] = [lambda: None, lambda: _write(store, state="interrupted")]
    monkeypatch.setattr(study_stop.time, "sleep", lambda _: rounds.pop(0)())
    assert wait_for_end(store, session) == "interrupted"
    assert rounds == []
    _write(store, 2)
    assert wait_for_end(store, session) == "running"


def test_a_study_that_is_deleted_while_it_stops_has_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that is deleted while it is being stopped counts as one that ended before its first epoch."""
    _write(store)
    session = request_stop(store)
    assert session is not None
    monkeypatch.setattr(study_stop.time, "sleep", lambda _: store.delete(layout.session(1)))
    assert wait_for_end(store, session) == "waiting"
