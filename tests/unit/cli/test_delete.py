"""`tunepipe delete` asks first."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from pipeline.cli.app import app
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


def test_nothing_is_deleted_before_somebody_agrees(study: Recording) -> None:
    """A no, and no answer at all, leave the study; a yes and --yes delete it."""
    assert "Nothing was deleted." in invoke(study, typed="n\n").stdout
    with pytest.raises(UsageError, match="--yes deletes without asking"):
        invoke(study)
    assert study.store.exists("study.json")
    assert "Deleted" in invoke(study, typed="y\n").stdout
    assert not study.store.exists("study.json")


def test_yes_asks_nothing(study: Recording) -> None:
    """For scripts."""
    assert invoke(study, "--yes").stdout == f"Deleted {study.store.uri}.\n"
