"""Studies side by side: known numbers, and reasons where nothing is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.results import load_results
from pipeline.results.analysis.comparison import compared
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded
from tests.unit.results.small_studies import one_epoch_study


def test_the_expected_best_is_the_mean_over_all_draws(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(12)
    found = compared({"a": one_epoch_study(tmp_path, "a", values), "b": one_epoch_study(tmp_path, "b", values)})
    assert found.draws == 6
    drawn = np.random.default_rng(1).choice(values, (100_000, 6)).max(axis=1).mean()
    assert found.members[0]["expected_best"] == pytest.approx(drawn, abs=0.003)


def test_a_clear_difference_is_reported_and_an_unclear_one_is_not(tmp_path: Path) -> None:
    low = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    studies = {
        "a": one_epoch_study(tmp_path, "a", low + 0.5),
        "b": one_epoch_study(tmp_path, "b", low),
        "c": one_epoch_study(tmp_path, "c", low),
    }
    apart = {tuple(one["studies"]): one for one in compared(studies).differences}
    assert apart["a", "b"]["interval"][0] > 0.4
    assert apart["a", "b"]["ahead"] == pytest.approx(0.5)
    assert apart["a", "b"]["share_of_resamples"] == 1
    low, high = apart["b", "c"]["interval"]
    assert low < 0 < high
    assert (apart["a", "b"]["better"], apart["b", "c"]["better"]) == ("yes", "undetermined")


def test_studies_are_compared_at_the_epochs_of_the_shortest(tmp_path: Path) -> None:
    found = compared(
        {"a": one_epoch_study(tmp_path, "a", [0.1, 0.2, 0.9]), "b": one_epoch_study(tmp_path, "b", [0.3, 0.1])}
    )
    assert found.level == 2
    assert [member["best_at_level"] for member in found.members] == [0.2, 0.3]
    assert found.draws == 0
    assert found.differences == []


def test_studies_that_differ_only_in_their_seed_are_one_group(tmp_path: Path) -> None:
    studies = {f"s{seed}": one_epoch_study(tmp_path, f"s{seed}", [0.1 * seed + 0.1], seed=seed) for seed in range(3)}
    studies["other"] = one_epoch_study(tmp_path, "other", [0.7], seed=1)
    (group,) = compared({name: studies[name] for name in ("s0", "s1", "s2")}).seeds
    assert group["studies"] == ["s0", "s1", "s2"]
    assert group["mean_best"] == pytest.approx(0.2)
    assert group["interval"][0] <= group["mean_best"] <= group["interval"][1]
    (pair,) = compared({name: studies[name] for name in ("s0", "s1")}).seeds
    assert pair["interval"] is None
    assert compared({name: studies[name] for name in ("s1", "other")}).seeds == []


def test_studies_that_cannot_be_compared_are_refused(tmp_path: Path) -> None:
    one = one_epoch_study(tmp_path, "a", [0.1])
    with pytest.raises(UsageError, match="found 1"):
        compared({"a": one})
    with pytest.raises(UsageError, match=r"a uses val_accuracy \(max\); b uses accuracy \(max\)"):
        compared({"a": one, "b": one_epoch_study(tmp_path, "b", [0.1], metric="accuracy")})


def test_an_empty_study_has_a_line_of_its_own(tmp_path: Path) -> None:
    found = compared({"a": one_epoch_study(tmp_path, "a", []), "b": one_epoch_study(tmp_path, "b", [0.5] * 6)})
    assert found.members[0]["best"] is None


def test_studies_of_different_data_are_not_compared(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    a, b = one_epoch_study(tmp_path, "a", values + 0.5), one_epoch_study(tmp_path, "b", values)
    folded = replace(b, study={**b.study, "job": {**b.job, "folds": 3}})
    assert len(compared({"a": a, "b": b}).differences) == 1
    found = compared({"a": a, "b": folded})
    assert found.differences == []
    assert len(found.problems) == 1


def test_trials_beyond_a_bound_are_not_expected(tmp_path: Path) -> None:
    bound = Objective("parameters", "min", at_most=1000)
    values = [0.1, 0.2, 0.3, 0.4, 0.5, 0.45, 0.35, 0.9, 0.95]
    points = [(value, 10_000 if value > 0.6 else 10) for value in values]
    folders = {name: recorded(tmp_path / name, bound, points=points) for name in ("a", "b")}
    found = compared({name: load_results(study.store.uri) for name, study in folders.items()})
    for member in found.members:
        assert member["expected_best"] < member["best"] == 0.5
        assert member["interval"][1] <= 0.5


def test_studies_of_one_seed_do_not_differ_in_it(tmp_path: Path) -> None:
    studies = {name: one_epoch_study(tmp_path, name, [value], seed=1) for name, value in (("a", 0.1), ("b", 0.2))}
    assert compared(studies).seeds == []
