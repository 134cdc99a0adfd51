"""The commands that a driver finds in its study's folder."""

import json
from pathlib import Path

import pytest

from pipeline.engine.commands import Command, StopTrial, command_object
from pipeline.errors import StorageError
from pipeline.execution.driver import command_inbox
from pipeline.execution.driver.command_inbox import CommandInbox
from pipeline.storage import Store
from pipeline.study import layout
from tests.clocks import Leaping

FIRST, SECOND = "20261126T095501584630-1ec8178b", "20261126T095501584631-00000000"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path / "s")


def _found(store: Store, monkeypatch: pytest.MonkeyPatch, *known: str) -> dict[str, Command | str]:
    """The new commands that a driver finds."""
    monkeypatch.setattr(command_inbox, "time", Leaping())
    return dict(CommandInbox(store).new(known))


def test_new_commands_are_found_the_oldest_first(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver's inbox returns new commands, oldest first, and skips commands with an outcome and unrelated files."""
    for name, trial in ((SECOND, "0002"), (FIRST, "0001")):
        store.write(layout.command(name), json.dumps(command_object(StopTrial(trial_id=trial))))
    store.write("commands/notes.txt", "mine")
    found = _found(store, monkeypatch)
    assert list(found.items()) == [(FIRST, StopTrial(trial_id="0001")), (SECOND, StopTrial(trial_id="0002"))]
    assert list(_found(store, monkeypatch, FIRST)) == [SECOND]


@pytest.mark.parametrize("content", ["{", "[]", '{"kind": "format-disk"}', "null", "9" * 5000, '{"kind": []}'])
def test_a_command_that_cannot_be_read_is_reported(store: Store, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    """An unreadable command is returned as a sentence about its mistake instead of a command."""
    store.write(layout.command(FIRST), content)
    found = _found(store, monkeypatch)[FIRST]
    assert isinstance(found, str)
    assert found.startswith("It ")


def test_a_command_of_too_many_bytes_is_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is larger than any command is returned as a sentence about its size."""
    store.write(layout.command(FIRST), b" " * 2_000_000)
    assert "It cannot be read: " in str(_found(store, monkeypatch)[FIRST])


@pytest.mark.parametrize("error", [StorageError("The storage does not answer."), FileNotFoundError("It is gone.")])
def test_a_command_that_cannot_be_read_now_is_found_later(
    store: Store, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A command whose file cannot be read for a moment is not reported, and the next look finds it."""

    def fail(*_: object, **__: object) -> bytes:
        raise error

    store.write(layout.command(FIRST), json.dumps(command_object(StopTrial(trial_id="0001"))))
    with monkeypatch.context() as failing:
        failing.setattr(Store, "read", fail)
        assert _found(store, monkeypatch) == {}
    assert _found(store, monkeypatch) == {FIRST: StopTrial(trial_id="0001")}


def test_a_command_that_is_being_written_is_found_later(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command whose file is still empty, as without hard links for a moment, is not reported yet."""
    store.write(layout.command(FIRST), "")
    assert _found(store, monkeypatch) == {}


def test_a_command_that_can_never_be_read_is_reported_after_a_minute(store: Store) -> None:
    """A command whose file stays empty gets an outcome after many looks, so that its user does not wait for ever."""
    store.write(layout.command(FIRST), "")
    inbox = CommandInbox(store)
    looks = [dict(inbox.new((), immediately=True)) for _ in range(60)]
    assert looks == [{}] * 59 + [{FIRST: "It cannot be read: it is empty."}]


def test_the_storage_is_read_once_a_second_at_most(store: Store) -> None:
    """A driver's inbox reads the storage at most once a second, unless it is asked to read immediately."""
    inbox = CommandInbox(store)
    store.write(layout.command(FIRST), json.dumps(command_object(StopTrial(trial_id="0001"))))
    assert list(inbox.new(())) == []
    assert [name for name, _ in inbox.new((), immediately=True)] == [FIRST]
