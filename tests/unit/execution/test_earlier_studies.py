"""A study that starts from an earlier one, or learns from it: its first trials, its copies, its resume."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, StartFrom, TuneJob, Uniform, load_results, run
from pipeline.errors import InvalidJob, JobNotFound, StorageError, StudyChanged
from pipeline.execution.earlier_studies import learned_from, warm_started
from pipeline.notes import notes_to


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


def _drawn(storage: Any, name: str) -> list[tuple[Any, ...]]:
    return list(load_results(storage / name).trials[["config_a", "config_b"]].itertuples(index=False, name=None))


def test_a_study_says_what_it_learns_from_and_draws_by_it(storage: Any) -> None:
    reported: list[str] = []
    run(job(learn_from="first"), storage=storage, note=reported.append)
    assert "Learns from 10 of 10 trials of the study 'first'; without b, which counts as drawn at random." in reported
    results = load_results(storage / "later")
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"].to_list()
    assert reasons[0].startswith("Best according to earlier studies")
    assert abs(_drawn(storage, "later")[0][0] - 0.8) < 0.3


@pytest.mark.long
def test_a_resume_draws_the_same_without_the_earlier_study(storage: Any, tmp_path: Any) -> None:
    shutil.copytree(storage / "first", tmp_path / "first")
    whole = job(name="whole", learn_from="first")
    run(whole, storage=tmp_path, note=_nowhere)
    parted = whole.replaced({"name": "parted"})
    run(parted.replaced({"budget.trials": 5}), storage=tmp_path, note=_nowhere)
    shutil.rmtree(tmp_path / "first")
    run(parted, storage=tmp_path, resume=True, note=_nowhere)
    assert _drawn(tmp_path, "parted") == _drawn(tmp_path, "whole")
    # The option may be left out; another study is another job.
    run(job(name="parted", budget=Budget(trials=11, epochs=4)), storage=tmp_path, resume=True, note=_nowhere)
    with pytest.raises(StudyChanged, match="learn_from"):
        run(parted.replaced({"learn_from": ["whole"]}), storage=tmp_path, resume=True, note=_nowhere)
    (tmp_path / "parted" / "earlier.json").unlink()
    with pytest.raises(StorageError, match=r"earlier.json .* is missing"):
        run(job(name="parted", budget=Budget(trials=12, epochs=4)), storage=tmp_path, resume=True, note=_nowhere)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"learn_from": "frist"}, JobNotFound, "no study 'frist'.* mean 'first'"),
        ({"space": {"z": Uniform(0, 1)}, "learn_from": "first"}, InvalidJob, "differ in a hyperparameter of .*: z"),
        ({"space": {"a": Uniform(5, 6)}, "learn_from": "first"}, InvalidJob, "10 of its 10 lie outside"),
    ],
)
def test_nothing_to_learn_from_is_a_mistake(
    storage: Any, fields: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        learned_from(job(**fields), storage)


def test_studies_are_named_with_what_is_used_of_them(storage: Any) -> None:
    narrow = job(space={"a": Uniform(0.3, 1)}, learn_from=["first", str(storage / "first")])
    notes: list[str] = []
    with notes_to(notes.append):
        first, second = learned_from(narrow, storage)
    assert 0 < len(first.trials) == len(second.trials) < 10
    assert f"{10 - len(first.trials)} lie outside this space" in notes[0]


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
    assert reported[0].startswith("Starts with 2 configs of the study 'first': trials ")
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
