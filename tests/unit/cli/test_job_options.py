"""The options of a job, which several commands share."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.cli.job_options import JobOptions, Scheduler, Search
from pipeline.errors import UsageError
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS


@pytest.mark.parametrize("command", ["run", "check", "submit"])
def test_every_command_that_makes_a_study_takes_them(command: str) -> None:
    """The commands run, check and submit have an option for each field of JobOptions."""
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for field in JobOptions.__dataclass_fields__:
        assert f"--{field.strip('_').replace('_', '-')} " in shown


def test_options_converted_to_arguments_are_equal(tmp_path) -> None:
    """Options of a job are converted to command-line arguments and to changes of the job's fields."""
    options = JobOptions(
        trials=3,
        gpus=0.5,
        seed=0,
        search="grid",
        start_from=str(tmp_path / "a"),
        top=2,
        learn_from=[str(tmp_path / "b"), str(tmp_path / "c")],
        set_=["space.lr=1"],
    )
    assert options.arguments("s3://bucket") == [
        *("--trials", "3", "--search", "grid", "--gpus", "0.5", "--seed", "0"),
        *("--start-from", str(tmp_path / "a"), "--top", "2"),
        *("--learn-from", str(tmp_path / "b"), "--learn-from", str(tmp_path / "c"), "--set", "space.lr=1"),
    ]
    assert options.changes("s3://bucket") == {
        "budget.trials": 3,
        "resources.gpus": 0.5,
        "searcher": "grid",
        "seed": 0,
        "start_from": {"study": str(tmp_path / "a"), "top": 2},
        "learn_from": [str(tmp_path / "b"), str(tmp_path / "c")],
        "space.lr": 1,
    }
    beside = JobOptions(start_from="a")
    assert beside.arguments(str(tmp_path)) == ["--start-from", "a"]
    assert beside.changes(str(tmp_path)) == {"start_from": {"study": "a"}}


def test_top_needs_a_study_to_start_from() -> None:
    """--top without --start-from is refused."""
    with pytest.raises(UsageError, match="--start-from STUDY"):
        JobOptions(top=3).changes("studies")


@pytest.mark.parametrize(("option", "known"), [(Scheduler, SCHEDULERS), (Search, SEARCHERS)])
def test_the_help_names_every_kind(option: Any, known: Mapping[str, type]) -> None:
    """The help of --scheduler and of --search names every scheduler and every searcher."""
    (settings,) = option.__metadata__
    assert set(known) <= set(re.findall(r"[a-z0-9-]+", settings.help))
