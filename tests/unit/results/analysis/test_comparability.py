"""Why values of several studies cannot be compared."""

from dataclasses import replace
from typing import Any

import pytest

from pipeline.results import Results
from pipeline.results.analysis.comparability import comparability_problems


def _fingerprint(rows: int, digest: str = "a") -> dict[str, dict[str, object]]:
    return {"train.x": {"shape": [rows, 2], "dtype": "<f4", "sha256": digest}}


def _other(results: Results, **changes: Any) -> Results:
    """Results of a study whose job, or whose data's fingerprint, was another."""
    data = changes.pop("fingerprint", _fingerprint(4))
    return replace(results, study={**results.study, "job": {**results.job, "data": "mnist", **changes}, "data": data})


@pytest.mark.parametrize(
    ("changes", "reported"),
    [
        (
            {"fingerprint": _fingerprint(5)},
            "They were trained on different data: a on mnist, b on mnist. "
            "In the second, the train inputs have shape (5, 2) instead of (4, 2).",
        ),
        ({"fingerprint": _fingerprint(4, "b")}, "the train inputs have different values, in the same shape"),
        (
            {"fingerprint": None, "data": "digits"},
            "They may have been trained on different data: a on mnist, b on digits.",
        ),
        ({"fingerprint": None, "data": {"function": "j:rows", "sha256": "a"}}, "b on what rows() returns"),
        ({"fingerprint": None, "data": None}, "b on no data set"),
        ({"folds": 3}, "They were evaluated on different rows: a by the validation split, b by 3 folds."),
    ],
)
def test_other_data_and_other_folds_are_reported(asha_results: Results, changes: dict[str, Any], reported: str) -> None:
    """Different data are found by fingerprints, or by the names of the data in studies of earlier versions."""
    (sentence,) = comparability_problems({"a": _other(asha_results), "b": _other(asha_results, **changes)})
    assert reported in sentence


def test_equal_rows_are_comparable_from_any_source(asha_results: Results) -> None:
    """Equal rows are comparable even if one study has them from a file and the other from a function."""
    function = {"function": "j:f", "sha256": "a"}
    assert (
        comparability_problems(
            {"a": _other(asha_results, data="rows.parquet"), "b": _other(asha_results, data=function)}
        )
        == []
    )


def test_studies_are_listed_by_what_they_share(asha_results: Results) -> None:
    """The sentence on different data lists studies on the same data together."""
    without: dict[str, Any] = {"fingerprint": None}
    studies = {"a": _other(asha_results, **without), "b": _other(asha_results, **without, data="digits")}
    (sentence,) = comparability_problems({**studies, "c": _other(asha_results, **without)})
    assert sentence == "They may have been trained on different data: a, c on mnist, b on digits."
