"""Trials of earlier studies in the folder of a study."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Objective, Switch, TuneJob, Uniform
from pipeline.errors import StorageError
from pipeline.space import fits
from pipeline.storage import Store
from pipeline.study.earlier_trials import EarlierTrial, EarlierTrials, earlier_studies, read_earlier, write_earlier


def score(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": 0.0}


def job(**fields: Any) -> TuneJob:
    space = {"a": Uniform(0, 1), "s": Switch({"off": {}, "on": {"b": Uniform(0, 1)}})}
    defaults = {"name": "x", "function": score, "space": space, "objectives": Objective("score", "min")}
    return TuneJob(**{**defaults, "learn_from": "first", **fields})


TRIALS = tuple(EarlierTrial(f"{n:04d}", {"a": n / 20}, ((1, n + 1.0), (3, float(n)))) for n in range(20))
COPY = EarlierTrials(
    "first", "score", "min", 20, 0, ("s", "b"), (*TRIALS, EarlierTrial("0020", {"a": 0.99}, failed=True))
)


def test_written_trials_are_read_back(tmp_path: Any) -> None:
    write_earlier(Store(tmp_path), [COPY])
    assert read_earlier(Store(tmp_path)) == (COPY,)


@pytest.mark.parametrize(
    "text", ["{}", '[{"study": "a"}]', '[{"study":"a","metric":"m","mode":"up","of":1,"outside":0}]', "[[["]
)
def test_other_content_is_refused(tmp_path: Any, text: str) -> None:
    (tmp_path / "earlier.json").write_text(text)
    with pytest.raises(StorageError, match=r"earlier\.json"):
        read_earlier(Store(tmp_path))


def test_missing_parameters_are_spread_and_the_same_each_time() -> None:
    (one,), (again,) = (earlier_studies(job(), [COPY]) for _ in range(2))
    assert one == again
    assert all(fits(job().space, each.config) for each in one.observations)
    assert {each.config["s"] for each in one.observations} == {"off", "on"}
    assert [each.config["a"] for each in one.observations[:20]] == [n / 20 for n in range(20)]
    assert [each.state for each in one.observations[-2:]] == ["known", "failed"]


def test_trials_outside_of_a_changed_space_are_left_out() -> None:
    (found,) = earlier_studies(job(space={"a": Uniform(0.5, 1)}), [COPY])
    assert len(found.observations) == 11
    assert earlier_studies(job(space={"a": Uniform(3, 4)}), [COPY]) == []
