"""The options of a job, which several commands share."""

import pytest
from typer.testing import CliRunner

from pipeline.cli.app import app
from pipeline.cli.options import JobOptions
from pipeline.errors import UsageError


@pytest.mark.parametrize("command", ["run", "check", "submit"])
def test_every_command_that_makes_a_study_takes_them(command: str) -> None:
    """Each field of JobOptions is an option, with its help."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for field in JobOptions.__dataclass_fields__:
        assert f"--{field.strip('_').replace('_', '-')} " in shown


def test_as_words_they_mean_the_same(tmp_path) -> None:
    """What another command line is given says what this one said; a study of another folder by its whole path."""
    options = JobOptions(trials=3, seed=0, search="grid", start_from=str(tmp_path / "a"), top=2, set_=["space.lr=1"])
    assert options.words("s3://bucket") == [
        *("--trials", "3", "--search", "grid", "--seed", "0"),
        *("--start-from", str(tmp_path / "a"), "--top", "2", "--set", "space.lr=1"),
    ]
    assert options.changes("s3://bucket") == {
        "budget.trials": 3,
        "searcher": "grid",
        "seed": 0,
        "start_from": {"study": str(tmp_path / "a"), "top": 2},
        "space.lr": 1,
    }
    beside = JobOptions(start_from="a")
    assert beside.words(str(tmp_path)) == ["--start-from", "a"]
    assert beside.changes(str(tmp_path)) == {"start_from": {"study": "a"}}


def test_how_many_needs_a_study() -> None:
    """--top without --start-from is a mistake."""
    with pytest.raises(UsageError, match="--start-from STUDY"):
        JobOptions(top=3).changes("studies")
