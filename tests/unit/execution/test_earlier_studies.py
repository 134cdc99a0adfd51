"""A study that starts from an earlier one: its first trials, its resume."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, StartFrom, TuneJob, Uniform, load_results, run
from pipeline.errors import InvalidJob, JobNotFound, StudyChanged
from pipeline.execution.earlier_studies import warm_started


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Best at a of 0.8."""
    for step in range(4):
        yield {"score": -((config["a"] - 0.8) ** 2) - 1 / (step + 1)}


def job(**fields: Any) -> TuneJob:
    """Ten trials in this process."""
    defaults: dict[str, Any] = {
        "name": "later",
        "function": rising,
        "space": {"a": Uniform(0, 1), "b": Uniform(0, 1)},
        "objectives": Objective("score", "max"),
        "budget": Budget(trials=10, epochs=4),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A storage with the study `first`, which lacks the parameter b."""
    folder = tmp_path_factory.mktemp("studies")
    run(job(name="first", space={"a": Uniform(0, 1)}, scheduler="fifo"), storage=folder, note=_nowhere)
    return folder


def _nowhere(text: str) -> None:
    pass


def _best(storage: Any, count: int) -> list[dict[str, Any]]:
    rows = load_results(storage / "first").trials.sort_values("objective", ascending=False)
    return [{"a": value} for value in rows["config_a"].head(count)]


def test_the_first_trials_are_the_other_studys_best_also_after_a_resume(storage: Any) -> None:
    reported: list[str] = []
    own, budget = {"a": 0.5, "b": 0.25}, Budget(trials=3, epochs=2)
    second = job(name="second", start_with=[own], start_from=StartFrom("first", 2), budget=budget)
    run(second, storage=storage, note=reported.append)
    results = load_results(storage / "second")
    assert results.job["start_with"] == [own, *_best(storage, 2)]
    assert results.trials["config_a"].to_list() == [0.5, *(config["a"] for config in _best(storage, 2))]
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"]
    assert all("'first'" in reason for reason in reasons)
    assert reported[0].startswith("Starts with 2 configs of the study 'first': ")
    run(second.replaced({"budget.trials": 4}), storage=storage, resume=True, note=_nowhere)
    assert load_results(storage / "second").job["start_with"] == results.job["start_with"]
    with pytest.raises(StudyChanged, match="start_from"):
        run(second.replaced({"start_from": StartFrom("first", 1)}), storage=storage, resume=True, note=_nowhere)


def test_a_study_to_start_from_is_found_by_its_folder_and_must_have_usable_configs(storage: Any, tmp_path: Any) -> None:
    far = job(name="far", start_from=StartFrom(str(storage / "first"), 1))
    assert list(warm_started(far, tmp_path).start_with) == _best(storage, 1)
    with pytest.raises(JobNotFound, match="frist"):
        warm_started(job(name="a", start_from=StartFrom("frist")), storage)
    with pytest.raises(InvalidJob) as raised:
        warm_started(job(name="a", space={"z": Uniform(0, 1)}, start_from=StartFrom("first")), storage)
    assert raised.value.faults[0].field == "start_from.study"
