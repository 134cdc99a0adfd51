"""What a session says to its user while trials train."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.engine.messages import ProgressReport
from pipeline.execution.driver.session_notes import SessionNotes
from pipeline.storage import Store
from pipeline.study import layout
from tests.unit.execution.recorded_curves import row


def _report(epoch: int, trained_with: str | None = None, inexact: str | None = None) -> ProgressReport:
    return ProgressReport((replace(row(epoch, 0.5), trained_with=trained_with),), epoch, inexact=inexact)


def test_each_way_of_training_is_said_once(tmp_path: Path) -> None:
    """Each way of training is said once, however many epochs report it; the first one is that of most trials."""
    said: list[str] = []
    notes = SessionNotes(Store(tmp_path), said.append)
    ways = ["compiled epochs", "compiled epochs", "Keras' fit: the model has its own fit", None]
    for epoch, how in enumerate(ways, 1):
        notes.on_report(_report(epoch, trained_with=how))
    assert said == [
        "Trials train with compiled epochs.",
        "Other trials train with Keras' fit: the model has its own fit.",
    ]


def test_each_reason_for_an_inexact_resume_is_said_once(tmp_path: Path) -> None:
    """Each reason why a resumed trial may differ is said once, whether the data or the training show it."""
    said: list[str] = []
    notes = SessionNotes(Store(tmp_path), said.append)
    notes.inexact_resume("its train data come from a generator function")
    for epoch, reason in enumerate(["its train data come from a generator function", "it runs eagerly", None], 1):
        notes.on_report(_report(epoch, inexact=reason))
    start = "Resuming is inexact: a resumed trial may differ from an uninterrupted one, because "
    assert said == [f"{start}its train data come from a generator function.", f"{start}it runs eagerly."]


def test_outcomes_of_commands_are_said_by_their_ids(tmp_path: Path) -> None:
    """The outcome of each command is said with the command's id, in their order."""
    said: list[str] = []
    SessionNotes(Store(tmp_path), said.append).commands({"c1": "The study is paused.", "c2": "The study continues."})
    assert said == ["Command c1: The study is paused.", "Command c2: The study continues."]


def test_notes_go_elsewhere_in_a_context(tmp_path: Path) -> None:
    """In the context, sentences go to another function, and after it to the one of before, even after an error."""
    before: list[str] = []
    within: list[str] = []
    notes = SessionNotes(Store(tmp_path), before.append)

    def say_and_fail() -> None:
        with notes.sent_to(within.append):
            notes.inexact_resume("a")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        say_and_fail()
    notes.inexact_resume("b")
    assert (len(before), len(within)) == (1, 1)


def test_a_replaced_worker_is_said_and_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The end of a worker that holds too much is said on stderr and in the driver's log."""
    store = Store(tmp_path)
    SessionNotes(store).worker_replaced("0003", "it uses 9 GB, more than 8 GB")
    message = "The worker of trial 0003 ends, and the next trial gets a new process: it uses 9 GB, more than 8 GB.\n"
    assert capsys.readouterr().err == message
    assert store.read_text(layout.log("driver")) == message


def test_a_requested_end_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A user's request to end is said on stderr, with what the study waits for."""
    SessionNotes(Store(tmp_path)).stop_requested()
    assert "ends when the epochs in training are complete" in capsys.readouterr().err
