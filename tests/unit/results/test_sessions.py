"""A driver session's own file, read back."""

import json
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.results.sessions import read_sessions
from pipeline.storage import Store
from pipeline.study import layout

_SESSION = {"number": 1, "state": "finished", "started": "2025-03-14T09:30:00+00:00"}


def _store(folder: Path, **fields: object) -> Store:
    store = Store(folder)
    store.write(layout.session(1), json.dumps(_SESSION | fields))
    return store


def test_sessions_come_by_number(tmp_path: Path) -> None:
    """What an older file lacks has its default, moments have a zone, and other files are passed over."""
    store = _store(tmp_path, heartbeat="2025-03-14T09:30:05")
    store.write(layout.session(12), json.dumps(_SESSION | {"number": 12, "state": "running"}))
    store.write("sessions/notes.txt", "none")
    first, second = read_sessions(store)
    assert (first["number"], second["number"], second["state"]) == (1, 12, "running")
    assert first["heartbeat"] == "2025-03-14T09:30:05+00:00"
    assert (first["seconds"], first["resume"]) == (0.0, None)


@pytest.mark.parametrize(
    ("field", "value"), [("state", "nope"), ("number", 0), ("started", None), ("seconds", -1.0), ("resume", [])]
)
def test_another_value_is_told(tmp_path: Path, field: str, value: object) -> None:
    """A value that no driver writes is told with its file and its field."""
    with pytest.raises(StorageError, match=rf"sessions/0001\.json in .* is not a session's: {field}: "):
        read_sessions(_store(tmp_path, **{field: value}))
