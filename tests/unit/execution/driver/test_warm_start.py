"""A study that starts from another: its first trials, its study.json, its resume."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Choice, Objective, StartFrom, TuneJob, Uniform, load_results, run
from pipeline.errors import InvalidJob, JobNotFound, StudyChanged
from pipeline.execution.driver.earlier_studies import warm_started


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """The larger a, the better."""
    for step in range(4):
        yield {"score": config["a"] + step / 8}


def job(**fields: Any) -> TuneJob:
    """Six trials in this process."""
    defaults: dict[str, Any] = {
        "name": "first",
        "function": rising,
        "space": {"a": Uniform(0, 1), "b": Choice([1, 2])},
        "objectives": Objective("score", "max"),
        "scheduler": "fifo",
        "budget": Budget(trials=6, epochs=2),
        "resources": {"workers": 0},
    }
    return TuneJob(**{**defaults, **fields})


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A storage with the study `first`."""
    folder = tmp_path_factory.mktemp("studies")
    run(job(), storage=folder)
    return folder


def best(storage: Any, count: int) -> list[dict[str, Any]]:
    """The best configs of the study `first`."""
    rows = load_results(storage / "first").trials.sort_values("objective", ascending=False).head(count)
    return [{"a": row["config_a"], "b": row["config_b"]} for row in rows.to_dict("records")]


def test_the_first_trials_are_the_other_studys_best(storage: Any) -> None:
    """After the job's own starts, a warm-started study tries the other study's best configs and records them."""
    reported: list[str] = []
    own = {"a": 0.5, "b": 1}
    run(job(name="second", start_with=[own], start_from=StartFrom("first", 2)), storage=storage, note=reported.append)
    results = load_results(storage / "second")
    starts = results.trials.head(3)[["config_a", "config_b"]].to_dict("records")
    assert [{"a": row["config_a"], "b": row["config_b"]} for row in starts] == [own, *best(storage, 2)]
    assert results.job["start_from"] == {"study": "first", "top": 2}
    assert results.job["start_with"] == [own, *best(storage, 2)]
    reasons = results.decisions[results.decisions["kind"] == "start"]["reason"].to_list()
    assert [("'first'" in reason) for reason in reasons] == [True] * 3 + [False] * 3
    assert reported[0].startswith("Starts with the 2 best configs of the study 'first' (trials ")


def test_a_resume_keeps_the_starts_of_the_study(storage: Any) -> None:
    """A resume keeps the study's starts even if the other study has changed, and refuses other starts."""
    run(job(name="other"), storage=storage)
    whole = job(name="third", start_from=StartFrom("other", 2))
    run(whole.replaced({"budget.trials": 3}), storage=storage)
    before = load_results(storage / "third").job["start_with"]
    run(job(name="other", budget=Budget(trials=30, epochs=2)), storage=storage, resume=True)
    run(whole, storage=storage, resume=True)
    run(job(name="third", budget=Budget(trials=7, epochs=2)), storage=storage, resume=True)
    results = load_results(storage / "third")
    assert results.job["start_with"] == before
    assert len(results.trials) == 7
    with pytest.raises(StudyChanged, match="start_from"):
        run(job(name="third", start_from=StartFrom("other", 1)), storage=storage, resume=True)


def test_no_more_are_taken_than_the_budget_has_room_for(storage: Any) -> None:
    """A warm start takes over no more configs than the budget of trials allows, and says how many were requested."""
    reported: list[str] = []
    tight = job(name="tight", budget=Budget(trials=2, epochs=1), start_from=StartFrom("first", 5))
    assert len(warm_started(tight, storage, reported.append).start_with) == 2
    assert "5 were requested" in reported[0]


def test_another_objective_is_reported(storage: Any) -> None:
    """A warm start reports if the other study had another objective, which decided its best configs."""
    reported: list[str] = []
    other = job(name="down", objectives=Objective("score", "min"), start_from=StartFrom("first"))
    warm_started(other, storage, reported.append)
    assert "Best by its own objective, score (max)." in reported[0]


def test_a_study_is_found_by_its_folder(storage: Any, tmp_path: Any) -> None:
    """A study in another storage is found by the path of its folder."""
    far = job(name="far", start_from=StartFrom(str(storage / "first"), 1))
    assert list(warm_started(far, tmp_path, print).start_with) == best(storage, 1)


def test_nothing_to_start_from_is_a_mistake(storage: Any) -> None:
    """A warm start from a missing study, or from one without usable configs, is a mistake."""
    with pytest.raises(JobNotFound, match="frist"):
        warm_started(job(name="a", start_from=StartFrom("frist")), storage, print)
    with pytest.raises(InvalidJob, match=r"start_from.study: must be a study whose best configs .* of this space: z"):
        warm_started(job(name="a", space={"z": Uniform(0, 1)}, start_from=StartFrom("first")), storage, print)


def test_a_study_by_its_name_alone_means_its_three_best() -> None:
    """A study name alone takes over its three best configs; an empty name and zero configs are refused."""
    assert job().replaced({"start_from": {"study": "first"}}).start_from == StartFrom("first", 3)
    with pytest.raises(InvalidJob, match=r"start_from.study: must have at least 1"):
        job(start_from={"study": ""})
    with pytest.raises(InvalidJob, match=r"start_from.top: must be greater"):
        job(start_from={"study": "first", "top": 0})
