"""`tunepipe delete` asks first."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.commands import app
from pipeline.errors import UsageError
from tests.unit.results.studies import Recording, asha_study


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A small study."""
    return asha_study(tmp_path, trials=2)


def invoke(study: Recording, *arguments: str, typed: str = "") -> Result:
    """`tunepipe delete` on the study, with something typed."""
    command = ["delete", study.job.name, "--storage", str(study.root), *arguments]
    return CliRunner().invoke(app, command, input=typed, catch_exceptions=False)


def test_nothing_is_deleted_without_consent(study: Recording) -> None:
    """`tunepipe delete` deletes a study only after the answer yes, and names --yes if it cannot ask."""
    assert "Nothing was deleted." in invoke(study, typed="n\n").stdout
    with pytest.raises(UsageError, match="--yes deletes without asking"):
        invoke(study)
    assert study.store.exists("study.json")
    assert "Deleted" in invoke(study, typed="y\n").stdout
    assert not study.store.exists("study.json")


def test_files_in_working_folders_are_listed_before_deletion(study: Recording) -> None:
    """Before deletion, `delete` lists files in the trials' working folders, and prints nothing if there are none."""
    assert "working folders" not in invoke(study, typed="n\n").stdout
    for number in range(7):
        study.store.write(f"files/0000/note {number}.txt", "mine")
    reported = invoke(study, typed="n\n").stdout
    assert "all files in the working folders of its trials, including your own: files/0000/note 0.txt" in reported
    assert "and 2 more." in reported
    assert study.store.exists("files/0000/note 6.txt")


def test_yes_asks_nothing(study: Recording) -> None:
    """`tunepipe delete --yes` asks no question."""
    assert invoke(study, "--yes").stdout == f"Deleted {study.store.uri}.\n"
