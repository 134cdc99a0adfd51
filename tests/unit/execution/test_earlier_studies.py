"""A study that starts from an earlier one: its first trials, its resume."""

from pathlib import Path
from typing import Any

import pytest

from pipeline import StartFrom, TuneJob, Uniform, load_results, run
from pipeline.errors import InvalidJob, JobNotFound, StudyChanged
from pipeline.execution.start import warm_started
from tests.unit.execution.rising_job import rising_job


def job(name: str, space: Any = ("a", "b"), **fields: Any) -> TuneJob:
    return rising_job(name=name, space={each: Uniform(0, 0.9) for each in space}, **fields)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A storage with the study `first`, which lacks the parameter b."""
    folder = tmp_path_factory.mktemp("studies")
    run(job("first", "a", scheduler="fifo"), storage=folder, note=lambda _: None)
    return folder


def _best(storage: Path, count: int) -> list[dict[str, Any]]:
    rows = load_results(storage / "first").trials.sort_values("objective", ascending=False)
    return [{"a": value} for value in rows["config_a"].head(count)]


def test_the_first_trials_are_the_other_studys_best_also_after_a_resume(storage: Path) -> None:
    reported: list[str] = []
    own = {"a": 0.5, "b": 0.25}
    second = job("second", start_with=[own], start_from=StartFrom("first", 2)).replaced({"budget.trials": 3})
    results = run(second, storage=storage, note=reported.append)
    assert results.job["start_with"] == [own, *_best(storage, 2)]
    assert results.trials["config_a"].to_list() == [0.5, *(config["a"] for config in _best(storage, 2))]
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"]
    assert all("'first'" in reason for reason in reasons)
    assert reported[0].startswith("Starts with 2 configs of the study 'first': ")
    again = run(second.replaced({"budget.trials": 4}), storage=storage, resume=True)
    assert again.job["start_with"] == results.job["start_with"]
    with pytest.raises(StudyChanged, match="start_from"):
        run(second.replaced({"start_from": StartFrom("first", 1)}), storage=storage, resume=True)


def test_a_study_to_start_from_is_found_by_its_folder_and_must_have_usable_configs(storage: Path, tmp_path) -> None:
    far = job("far", start_from=StartFrom(str(storage / "first"), 1))
    assert list(warm_started(far, tmp_path).start_with) == _best(storage, 1)
    with pytest.raises(JobNotFound, match="frist"):
        warm_started(job("a", start_from=StartFrom("frist")), storage)
    with pytest.raises(InvalidJob) as raised:
        warm_started(job("a", "z", start_from=StartFrom("first")), storage)
    assert raised.value.faults[0].field == "start_from.study"
