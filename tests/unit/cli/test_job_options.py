"""How the command line names a study, and the options that change a job, which several commands share."""

import re
from pathlib import Path

import pytest

from pipeline.cli.job_options import JOB_OPTIONS, JobOptions, assignments
from pipeline.cli.options import located, study_store
from pipeline.errors import InvalidJob, JobNotFound
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
        "trials": 3, "search": "grid", "gpus_per_trial": 0.5, "seed": 0, "total_epochs": 9, "start_from": "/a",
        "set_": ["space.lr=1", "budget.trials=5"], "from_": "optuna",
    })  # fmt: skip
    assert options.changes == {
        "budget.trials": 5, "searcher": "grid", "resources.gpus": 0.5, "seed": 0, "budget.total_epochs": 9,
        "start_from": {"study": "/a"}, "space.lr": 1,
    }  # fmt: skip
    assert options.arguments == [
        *("--trials", "3", "--search", "grid", "--gpus-per-trial", "0.5", "--seed", "0", "--total-epochs", "9"),
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
    assert JobOptions({}).job("digits-quick", str(tmp_path), resume=False).budget != recorded.budget
    resumed = JobOptions({"trials": 77}).job("digits-quick", str(tmp_path), resume=True)
    assert (resumed.budget.trials, resumed.budget.epochs) == (77, recorded.budget.epochs)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with studies/one in it."""
    monkeypatch.chdir(tmp_path)
    Recording(tmp_path / "studies", tune_job("one"))
    return tmp_path


@pytest.mark.parametrize("study", ["one", "./studies/one", "studies/one/", "studies/../studies/one", "{}/studies/one"])
def test_a_name_and_every_kind_of_path_lead_to_the_study(study: str, here: Path) -> None:
    assert study_store(study.format(here), "studies").local == here / "studies/one"


def test_within_a_storage_its_folders_are_studies(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("studies")
    assert study_store("one", "studies").local == here / "studies/one"
    monkeypatch.chdir("one")
    assert study_store(".", "studies").local == here / "studies/one"


def test_a_path_leads_where_the_system_goes(here: Path) -> None:
    (here / "deep/inner").mkdir(parents=True)
    (here / "link").symlink_to(here / "deep/inner")
    Recording(here / "deep/studies", tune_job("two"))
    assert study_store("link/../studies/two", "studies").local == here / "deep/studies/two"
    assert located("link/../studies/two", "studies") == (str(here / "deep/studies"), "two")
    assert located("link/..", "studies") == (str(here), "deep")


def test_a_study_that_is_a_link_keeps_the_link_s_name(here: Path) -> None:
    (here / "studies/other").symlink_to(here / "studies/one")
    for path in ("studies/other", "studies/../studies/other", f"{here}/studies/other/"):
        assert located(path, "studies") == (str(here / "studies"), "other")


def test_a_uri_is_taken_apart_and_keeps_its_query() -> None:
    assert located("s3://bucket/deep/one?region=x", "studies") == ("s3://bucket/deep?region=x", "one")
    assert located("gs://bucket/my%20studies/one%202/", "studies") == ("gs://bucket/my%20studies", "one 2")


@pytest.mark.parametrize(("study", "reported"), [
    ("two", r"no study 'two' in .*/studies\. Available: one\. `tunepipe studies --storage"),
    ("onne", r"Did you mean 'one'\?"),
    ("./studies", "There is no study 'studies'"),
])  # fmt: skip
def test_a_study_that_is_not_there_is_refused(study: str, reported: str, here: Path) -> None:
    with pytest.raises(JobNotFound, match=reported):
        study_store(study, "studies")
