"""Studies side by side: known numbers, and reasons where nothing is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.results import Results
from pipeline.results.views.comparison import compared
from tests.small_studies import one_epoch_study

LOW = np.random.default_rng(0).uniform(0.1, 0.2, 20)


def tables(**studies: Results) -> dict[str, Any]:
    return {table.name: table.as_object() for table in compared(studies).tables}


def test_the_expected_best_is_the_mean_over_all_draws(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(12)
    studies = tables(a=one_epoch_study(tmp_path, "a", values), b=one_epoch_study(tmp_path, "b", values))["studies"]
    assert studies["expected_of_trials"] == 6
    drawn = np.random.default_rng(1).choice(values, (100_000, 6)).max(axis=1).mean()
    assert studies["rows"][0]["expected_best"] == pytest.approx(drawn, abs=0.003)


def test_a_clear_difference_is_reported_and_an_unclear_one_is_not(tmp_path: Path) -> None:
    values = {"a": LOW + 0.5, "b": LOW, "c": LOW}
    found = tables(**{name: one_epoch_study(tmp_path, name, each) for name, each in values.items()})
    apart = {tuple(one["studies"]): one for one in found["differences"]["rows"]}
    assert apart["a", "b"]["interval"][0] > 0.4
    assert apart["a", "b"]["ahead"] == pytest.approx(0.5)
    low, high = apart["b", "c"]["interval"]
    assert low < 0 < high
    assert (apart["a", "b"]["better"], apart["b", "c"]["better"]) == ("yes", "undetermined")


def test_studies_are_compared_at_the_epochs_of_the_shortest(tmp_path: Path) -> None:
    found = tables(a=one_epoch_study(tmp_path, "a", [0.1, 0.2, 0.9]), b=one_epoch_study(tmp_path, "b", [0.3, 0.1]))
    assert list(found) == ["studies"]
    assert (found["studies"]["level_epochs"], found["studies"]["expected_of_trials"]) == (2, 0)
    assert [row["best_at_level"] for row in found["studies"]["rows"]] == [0.2, 0.3]
    empty = tables(a=one_epoch_study(tmp_path, "c", []), b=one_epoch_study(tmp_path, "d", [0.5] * 6))
    assert [row["best"] for row in empty["studies"]["rows"]] == [None, 0.5]


def test_one_study_and_different_objectives_are_refused(tmp_path: Path) -> None:
    one = one_epoch_study(tmp_path, "a", [0.1])
    with pytest.raises(UsageError, match="found 1"):
        compared({"a": one})
    with pytest.raises(UsageError, match=r"a uses val_accuracy \(max\); b uses accuracy \(max\)"):
        compared({"a": one, "b": one_epoch_study(tmp_path, "b", [0.1], metric="accuracy")})


def test_studies_of_different_data_are_not_compared(tmp_path: Path) -> None:
    a, b = one_epoch_study(tmp_path, "a", LOW + 0.5), one_epoch_study(tmp_path, "b", LOW)
    assert compared({"a": a, "b": b}).warning == ""
    changed = [{**b.sessions[0], "data_changes": ["other rows"]}]
    for other in (
        replace(b, study={**b.study, "job": {**b.job, "folds": 3}}),
        replace(b, study={**b.study, "job": {**b.job, "data": "digits"}}),
        replace(b, sessions=changed),
    ):
        found = compared({"a": a, "b": other})
        assert [table.name for table in found.tables] == ["studies"]
        assert len(found.tables[0].facts["problems"]) == 1
        assert found.warning
