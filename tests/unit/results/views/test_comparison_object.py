"""A comparison as JSON."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from pipeline.results.analysis.comparison import compared
from pipeline.results.views.comparison_object import comparison_object
from tests.unit.results.small_studies import one_epoch_study


def test_the_object_has_the_whole_comparison(tmp_path: Path) -> None:
    """The object of a comparison has every compared number with its interval as JSON values."""
    values = np.random.default_rng(0).uniform(0.1, 0.2, 20)
    found = compared(
        {"a": one_epoch_study(tmp_path, "a", values + 0.5), "b": one_epoch_study(tmp_path, "b", values, seed=1)}
    )
    reported = json.loads(json.dumps(comparison_object(found), allow_nan=False))
    assert [(study["name"], study["trials"], study["best"]) for study in reported["studies"]] == [
        ("a", 20, max(values) + 0.5),
        ("b", 20, max(values)),
    ]
    (difference,) = reported["differences"]
    assert difference["studies"] == ["a", "b"]
    assert difference["interval"][0] <= difference["ahead"] <= difference["interval"][1]
    assert reported["seeds"][0]["interval"] is None
    assert reported["shared_configs"][0]["count"] == 20
    assert len(reported["best_quarters"]["lr"]) == 2
    assert (reported["comparable"], reported["not_comparable_because"]) == (True, [])
    other = comparison_object(replace(found, comparability_problems=["They differ."], differences=[]))
    assert (other["comparable"], other["not_comparable_because"]) == (False, ["They differ."])


def test_unknown_values_are_null(tmp_path: Path) -> None:
    """The object of a comparison has null for the best values and the interval of a study without a trial."""
    found = compared({"a": one_epoch_study(tmp_path, "a", []), "b": one_epoch_study(tmp_path, "b", [0.5] * 6)})
    reported = json.loads(json.dumps(comparison_object(found), allow_nan=False))
    assert [reported["studies"][0][name] for name in ("best", "expected_best", "interval")] == [None] * 3
