"""What the trials of a process have shown about their job."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.study.context import TrialContext, in_trial
from pipeline.training.job_notes import JobNotes


def _member(path: str) -> Any:
    """A trainer with a callback that writes to a path."""

    def shared(names: list[str]) -> str | None:
        return None if any(name in path for name in names) else f"CSVLogger writes to {path}."

    return SimpleNamespace(callbacks=SimpleNamespace(shared=shared))


def test_a_fact_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact is printed once, as a sentence of tunepipe, and remembered as it was given."""
    notes = JobNotes()
    for _ in range(2):
        notes.print_once("trials go through fit.")
    assert notes.texts == ["trials go through fit."]
    assert capsys.readouterr().out == "tunepipe: Trials go through fit.\n"


def test_facts_about_one_subject_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Facts whose words differ between trials are printed once for each subject."""
    notes = JobNotes()
    for number in range(2):
        notes.print_once(f"the metric f1 is [{number}].", subject="f1")
        notes.print_once(f"the metric f2 is [{number}].", subject="f2")
    assert notes.texts == ["the metric f1 is [0].", "the metric f2 is [0]."]
    assert capsys.readouterr().out == "tunepipe: The metric f1 is [0].\ntunepipe: The metric f2 is [0].\n"


def test_a_callback_that_writes_where_all_trials_write_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first callback whose path has neither the trial's id nor a value of its config is named, once."""
    notes = JobNotes()
    with in_trial(TrialContext("0003", 1, 4, tmp_path)):
        notes.look_for_shared([_member("/logs/0003"), _member("/logs/lr=0.25")], {"lr": 0.25})
        assert (notes.shared, notes.texts) == (None, [])
        notes.look_for_shared([_member("/logs/0003"), _member("/logs/all")], {"lr": 0.25})
        notes.look_for_shared([_member("/logs/others")], {"lr": 0.5})
    assert notes.shared == "CSVLogger writes to /logs/all."
    assert notes.texts == [notes.shared]
    assert capsys.readouterr().out == "tunepipe: CSVLogger writes to /logs/all.\n"


def test_outside_of_a_trial_no_callback_is_named() -> None:
    """Without a trial there is no id that would distinguish a path, so no callback is named."""
    notes = JobNotes()
    notes.look_for_shared([_member("/logs/all")], {})
    assert notes.shared is None
