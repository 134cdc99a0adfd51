"""Commands to a study that does not run: what waits for its next driver, and what is of no use."""

from pathlib import Path

import pytest

from pipeline.execution.commands import outcomes
from pipeline.storage import Store
from tests.command import tunepipe
from tests.recorded_studies import asha_study

STUDY = "mnist-asha"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return asha_study(tmp_path, trials=4).store


def test_a_command_waits_for_the_next_driver(store: Store, tmp_path: Path) -> None:
    printed = tunepipe("stop", STUDY, "--trial", "1", "--storage", str(tmp_path))
    assert printed.code == 0
    assert f"`tunepipe resume {store.uri}`, with a larger budget" in printed.output
    assert list(outcomes(store).values()) == [None]


@pytest.mark.parametrize(("words", "reported"), [
    (["budget", STUDY, "--trials", "9"], "`tunepipe resume "),
    (["stop", STUDY, "--trial", "1", "--reason", "\ud800"], "reason: "),
    (["budget", STUDY], "--trials, --total-epochs or --seconds"),
    (["stop", STUDY, "--trial", "99"], "has no trial '0099'"),
    (["stop", STUDY, "--reason", "it diverges"], "--reason needs --trial"),
])  # fmt: skip
def test_commands_that_cannot_be_executed_are_refused(
    store: Store, tmp_path: Path, words: list[str], reported: str
) -> None:
    printed = tunepipe(*words, "--storage", str(tmp_path))
    assert printed.code == 2
    assert reported in printed.errors
    assert not outcomes(store)


def test_a_study_that_does_not_run_is_not_stopped(store: Store, tmp_path: Path) -> None:
    printed = tunepipe("stop", STUDY, "--storage", str(tmp_path))
    assert printed.code == 0
    assert "is not running: its state is ended" in printed.output
    assert not outcomes(store)
