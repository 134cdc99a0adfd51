"""A study that learns from earlier ones: its draws, its copies, its resume."""

import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.errors import InvalidJob, JobNotFound, StorageError, StudyChanged
from pipeline.execution.driver.earlier_studies import learned_from, learning_in_words


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
    """A study reports how many trials of which study it learns from, and its first draw is what they recommend."""
    reported: list[str] = []
    run(job(learn_from="first"), storage=storage, note=reported.append)
    assert "Learns from 10 trials of the study 'first'; without b, which counts as drawn at random." in reported
    results = load_results(storage / "later")
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"].to_list()
    assert reasons[0].startswith("Best according to earlier studies")
    assert abs(_drawn(storage, "later")[0][0] - 0.8) < 0.3


def test_a_resume_draws_the_same_without_the_earlier_study(storage: Any, tmp_path: Any) -> None:
    """A study that is resumed after the earlier one is gone draws what it would have drawn without an interruption."""
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
    """Learning from a study that is missing, shares no parameter or has no trial in the space is a mistake."""
    with pytest.raises(error, match=message):
        learned_from(job(**fields), storage)


def test_studies_are_named_with_what_is_used_of_them(storage: Any) -> None:
    """The message about learning counts the trials used of each study and those outside of the space."""
    narrow = job(space={"a": Uniform(0.3, 1)}, learn_from=["first", str(storage / "first")])
    found = learned_from(narrow, storage)
    inside = len(found[0].trials)
    assert 0 < inside < 10
    text = learning_in_words(narrow, found)
    assert text.count(f"{inside} of 10 trials") == 2
    assert f"{10 - inside} lie outside this space" in text
