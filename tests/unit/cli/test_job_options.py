"""The options that change a job, which several commands share."""

import re
from pathlib import Path

import pytest

from pipeline.cli.job_options import JOB_OPTIONS, JobOptions, assignments, job_of
from pipeline.errors import InvalidJob
from tests.command import tunepipe
from tests.recorded_studies import Recording, tune_job


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("run", set(JOB_OPTIONS)), ("submit", set(JOB_OPTIONS)),
        ("resume", {"trials", "epochs", "total_epochs", "seconds", "workers", "set_"}),
        ("budget", {"trials", "total_epochs", "seconds"}),
    ],
)  # fmt: skip
def test_commands_take_the_same_options(command: str, names: set[str]) -> None:
    shown = tunepipe(command, "--help").output
    flags = {name: f"--{name.strip('_').replace('_', '-')}" for name in JOB_OPTIONS}
    assert {name for name, flag in flags.items() if re.search(rf"^ *{flag}\b[ ,]", shown, re.MULTILINE)} == names


def test_options_are_changes_of_a_job_and_arguments_of_another_command() -> None:
    options = JobOptions({
        "trials": 3, "search": "grid", "gpus": 0.5, "seed": 0, "total_epochs": 9, "start_from": "/a",
        "set_": ["space.lr=1", "budget.trials=5"], "from_": "optuna",
    })  # fmt: skip
    assert options.changes == {
        "budget.trials": 5, "searcher": "grid", "resources.gpus": 0.5, "seed": 0, "budget.total_epochs": 9,
        "start_from": {"study": "/a"}, "space.lr": 1,
    }  # fmt: skip
    assert options.arguments == [
        *("--trials", "3", "--search", "grid", "--gpus", "0.5", "--seed", "0", "--total-epochs", "9"),
        *("--start-from", "/a", "--set", "space.lr=1"),
        *("--set", "budget.trials=5", "--from", "optuna"),
    ]


def test_a_value_is_json_if_it_can_be_parsed_and_text_otherwise() -> None:
    nested = "[" * 100_000
    pairs = ["space.lr=0.1", "space.layers=[1, 2]", "scheduler=asha", "budget.seconds=null", "x=a=b", f"y={nested}"]
    assert assignments(pairs) == {
        "space.lr": 0.1, "space.layers": [1, 2], "scheduler": "asha", "budget.seconds": None, "x": "a=b", "y": nested,
    }  # fmt: skip


@pytest.mark.parametrize("pair", ["lr", "=1", ""])
def test_an_assignment_without_field_or_value_is_refused(pair: str) -> None:
    with pytest.raises(InvalidJob) as refused:
        assignments([pair])
    assert refused.value.faults[0].field == "--set"


def test_a_resumed_study_keeps_its_budget_except_for_the_changes(tmp_path: Path) -> None:
    recorded = tune_job("digits-quick", scheduler="fifo")
    Recording(tmp_path, recorded)
    assert job_of("digits-quick", {}, str(tmp_path), resume=False).budget != recorded.budget
    resumed = job_of("digits-quick", {"budget.trials": 77}, str(tmp_path), resume=True)
    assert (resumed.budget.trials, resumed.budget.epochs) == (77, recorded.budget.epochs)
