"""Requests to a driver: commands, executed once and answered, and a stop; the deletion of a study."""

import errno
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from pipeline.engine.commands import COMMANDS, ChangeBudget, StopTrial
from pipeline.engine.messages import Report
from pipeline.errors import JobNotFound, StorageError, StudyExists
from pipeline.execution import commands
from pipeline.execution.commands import (
    CommandInbox,
    delete,
    outcomes,
    request_stop,
    running_session,
    send,
    wait_for_end,
    wait_for_outcome,
)
from pipeline.storage import Store, layout
from pipeline.storage.sessions import identity
from tests.clocks import Leaping
from tests.recorded_curves import Study, row
from tests.recorded_studies import Recording, asha_study


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
    name = send(s.store, ChangeBudget(trials=3))
    assert outcomes(s.store) == {name: None}
    _step(s, trial.trial_id, 1)
    outcome = wait_for_outcome(s.store, name)
    assert outcomes(s.store) == {name: outcome}
    assert outcome is not None
    assert s.session.engine.job.budget.trials == 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s")


def _write(store: Store, number: int = 1, **fields: Any) -> None:
    now = datetime.now(UTC).isoformat()
    content = {"number": number, "state": "running", "started": now, "heartbeat": now, "tables": {}, **identity()}
    store.write(layout.session(number), json.dumps({**content, **fields}))


def test_a_stop_is_requested_once_and_its_end_awaited(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _write(store)
    session = request_stop(store)
    assert request_stop(store) is not None
    assert store.exists(layout.stop_request(1))
    rounds: list[Any] = [lambda: None, lambda: _write(store, state="interrupted")]
    monkeypatch.setattr(commands.time, "sleep", lambda _: rounds.pop(0)())
    assert wait_for_end(store, session) == "interrupted"
    assert rounds == []
    _write(store, 2)
    assert wait_for_end(store, session) == "running"


@pytest.mark.parametrize("fields", [{"state": "ended"}, {"process_started_after_boot": 1.0}])
def test_nothing_waits_for_a_driver_that_is_dead(store: Store, fields: dict[str, Any]) -> None:
    _write(store, **fields)
    assert request_stop(store) is running_session(store) is None
    assert not store.exists(layout.stop_request(1))
    assert request_stop(Store(Path(store.uri) / "nothing")) is None
    assert wait_for_outcome(store, send(store, StopTrial(trial_id="0000"))) is None


FIRST, SECOND = "20261126T095501584630-1ec8178b", "20261126T095501584631-00000000"
STOP = StopTrial(trial_id="0001")


def _found(store: Store, *known: str) -> dict[str, Any]:
    return dict(CommandInbox(store).new(known, immediately=True))


def test_new_commands_are_found_the_oldest_first(store: Store) -> None:
    for name in (SECOND, FIRST):
        store.write(layout.command(name), COMMANDS.dump_json(STOP))
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


@pytest.mark.parametrize("error", [StorageError("Permission denied."), FileNotFoundError("It is gone.")])
def test_a_command_that_cannot_be_read_now_is_found_later_and_holds_up_no_other(store: Store, error: Exception) -> None:
    for name in (FIRST, SECOND):
        store.write(layout.command(name), COMMANDS.dump_json(STOP))
    # Without hard links a new file is empty for a moment.
    store.write(layout.command(f"{FIRST[:-1]}c"), "")
    read = Store.read

    def refused(self: Store, path: str, **most: Any) -> bytes:
        if FIRST in path:
            raise error
        return read(self, path, **most)

    with mock.patch.object(Store, "read", refused):
        assert list(_found(store)) == [SECOND]
    assert list(_found(store)) == [FIRST, SECOND]


# Deletion


@pytest.fixture
def recorded(tmp_path: Path) -> Recording:
    study = asha_study(tmp_path / "studies", trials=3)
    study.store.write(layout.REPORT, "<p>")
    return study


def test_folders_that_are_no_study_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(JobNotFound):
        delete(Store(tmp_path))
    (tmp_path / layout.STUDY).write_text('{"schema_version": 99}')
    with pytest.raises(StorageError, match="schema version 99"):
        delete(Store(tmp_path))
    assert (tmp_path / "mine.txt").exists()


def test_a_running_study_is_not_deleted(recorded: Recording) -> None:
    content = {"number": 2, "state": "running", "started": datetime.now(UTC).isoformat(), **identity()}
    content |= {"heartbeat": datetime.now(UTC).isoformat(), "tables": {}}
    recorded.store.write(layout.session(2), json.dumps(content))
    with pytest.raises(StudyExists, match="is running"):
        delete(recorded.store)
    recorded.store.write(layout.session(2), json.dumps(content | {"process_started_after_boot": 1.0}))
    delete(recorded.store)
    assert not recorded.store.exists(layout.STUDY)


def test_a_study_with_an_unreadable_session_can_be_deleted(recorded: Recording) -> None:
    recorded.store.write(layout.session(2), "{")
    delete(recorded.store)
    assert not recorded.store.exists(layout.STUDY)


def test_a_study_whose_session_cannot_be_read_now_is_not_deleted(recorded: Recording) -> None:
    with (
        mock.patch.object(Store, "_open", side_effect=OSError(errno.ETIMEDOUT, "Timed out")),
        mock.patch("pipeline.execution.commands.read_job"),
        pytest.raises(StorageError, match="Timed out"),
    ):
        delete(recorded.store)
    assert recorded.store.exists(layout.STUDY)
