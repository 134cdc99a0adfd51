"""Taking over a study from a driver that may be gone, with a session's file that may be damaged."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import StorageError, StudyExists, Superseded
from pipeline.storage import Store, sessions
from pipeline.storage.lease import take_over
from pipeline.storage.processes import identity
from pipeline.study import layout


def climb(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A value that grows."""
    for step in range(4):
        yield {"score": config["x"] + step}


def job(epochs: int = 2) -> TuneJob:
    """Two trials of this many epochs."""
    return TuneJob(
        name="s",
        function=climb,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", "max")],
        scheduler="fifo",
        budget=Budget(trials=2, epochs=epochs),
        resources={"workers": 0},
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study whose session seems to be running in this process."""
    run(job(), storage=tmp_path)
    store = Store(tmp_path / "s")
    _change(store, state="running", heartbeat=datetime.now(UTC).isoformat(), ended=None, mark=None)
    return store


def _change(store: Store, **fields: Any) -> None:
    """Change the first session's file; a field that is None is taken out."""
    whole = {**store.read_json(layout.session(1), most=None), **fields}
    store.write(layout.session(1), json.dumps({name: value for name, value in whole.items() if value is not None}))


def _on(store: Store, **options: Any) -> list[str]:
    """The notes that are printed when the study continues."""
    reported: list[str] = []
    run(job(4), storage=Path(store.uri).parent, resume=True, note=reported.append, **options)
    assert load_results(store.uri).epochs["epoch"].to_list() == [1, 2, 3, 4] * 2
    return reported


def test_a_live_driver_is_replaced_only_on_request(store: Store) -> None:
    """A live driver is replaced only with --take-over, and the refusal names this option and `tunepipe stop`."""
    with pytest.raises(StudyExists, match=r"already running: .*tunepipe stop .*s`\..*tunepipe resume .*s --take-over"):
        _on(store)
    (reported,) = _on(store, take_over=True)
    assert reported.startswith(f"Session 1 is taken over: process {identity()['pid']} on ")


def test_a_driver_that_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    """A driver that was taken over ends and writes nothing more, even if its damaged session file was repaired."""
    store = Store(tmp_path / "s")

    class Rival:
        def watch(self, session: Any) -> Any:
            store.write(layout.session(1), "{")
            take_over(store, lambda _: None)
            return contextlib.nullcontext()

    with pytest.raises(Superseded, match="has taken over the study"):
        run(job(), storage=tmp_path, display=Rival())
    assert store.read_json(layout.session(1))["state"] == "interrupted"


def test_a_session_without_start_times_locks_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session without start times does not lock a study, which continues after its heartbeat was observed."""
    monkeypatch.setattr(sessions.time, "monotonic", iter(range(0, 10**9, 50)).__next__)
    monkeypatch.setattr(sessions.time, "sleep", lambda _: None)
    _change(store, started=None, process_started=None, process_started_after_boot=None)
    assert load_results(store.uri).state == "running"
    (reported,) = _on(store)
    assert "Session 1 has not ended" in reported
    assert "sessions/0001.json is damaged: started: there is none." in reported
    assert f"`tunepipe resume {store.uri} --take-over` does not wait." in reported


@pytest.mark.parametrize(
    "damage",
    [
        {"started": "yesterday"},
        {"host": 3},
        {"pid": "x", "process_started": "y"},
        {"heartbeat": [], "ended": 5},
        {"heartbeat": None},
        {"boot_id": 7, "pid_namespace": {}},
        {"workers": "many", "message": 8},
    ],
    ids=str,
)
def test_fields_that_describe_the_driver_may_be_damaged(damage: dict[str, Any], store: Store) -> None:
    """Damaged fields that only describe the driver prevent neither reading results nor a takeover."""
    _change(store, **damage)
    assert len(load_results(store.uri).epochs) == 4
    assert len(_on(store, take_over=True)) == 1


@pytest.mark.parametrize("damage", [{"state": "nope"}, {"number": "x"}, {"seconds": "x"}, {"state": None}], ids=str)
def test_a_session_that_cannot_be_read_is_mended_where_its_trials_can(damage: dict[str, Any], store: Store) -> None:
    """A damaged session whose trials are readable is repaired by --take-over, which keeps a copy of the old file."""
    _change(store, **damage)
    before = store.read(layout.session(1))
    with pytest.raises(
        StorageError, match=r"sessions/0001\.json .* is not a session file: .*tunepipe resume .*s --take-over"
    ):
        _on(store)
    assert store.read(layout.session(1)) == before
    (reported,) = _on(store, take_over=True)
    assert "It is kept as sessions/0001.damaged, and the study continues." in reported
    assert store.read(layout.damaged_session(1)) == before
    assert len(load_results(store.uri).sessions) == 2


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"number": 2, "resume": 3}'])
def test_a_session_whose_trials_are_lost(content: bytes, store: Store) -> None:
    """A damaged session without rows is set aside; if the tables have its rows, resuming is refused with a remedy."""
    lost = Store(store.uri)
    lost.write(layout.session(2), content)
    (reported,) = _on(store, take_over=True)
    assert "kept as sessions/0002.damaged" in reported

    third = store.read(layout.session(3))
    store.write(layout.session(3), content)
    with pytest.raises(StorageError, match=r"The scheduler's state at the end of session 3 is lost.*--start-from"):
        run(job(4), storage=Path(store.uri).parent, resume=True, take_over=True)
    store.write(layout.session(3), third)
    assert len(load_results(store.uri).epochs) == 8
