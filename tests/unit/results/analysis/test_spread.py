"""Means and deviations of trials that train several models."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis.spread import spreads
from tests.unit.results.small_studies import INITS, folded_study


@pytest.mark.parametrize("metric", ["val_accuracy", "limit", "val F1"])
def test_spreads_are_those_of_the_best_epoch(metric: str, tmp_path: Path) -> None:
    """Trials of several models have a mean, a deviation and a value for each fold, whatever their columns are."""
    found = spreads(folded_study(tmp_path, metric))
    assert [spread.label for spread in found] == ["he", "lecun", "glorot", "zero"]
    for spread in found:
        each = np.array(INITS[spread.label])
        assert (spread.mean, spread.std) == pytest.approx((each.mean(), each.std()))
        assert spread.each == pytest.approx(each)


def test_trials_of_one_model_have_none(asha_results: Results) -> None:
    """Trials that train one model have no spread."""
    assert spreads(asha_results) == []
