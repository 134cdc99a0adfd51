"""Means and deviations of trials that are several models."""

from typing import Any

import numpy as np
import pytest

from pipeline.results import Results, captions, load_results, plots
from pipeline.results.plots.models import spreads
from pipeline.space import Grid
from tests.unit.results import studies

VALUES = {"he": (0.9, 0.92, 0.94), "lecun": (0.91, 0.91, 0.92), "zero": (0.1, 0.1, 0.1), "glorot": (0.88, 0.9, 0.92)}


@pytest.fixture(scope="module")
def folded(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Four trials of three folds, each best at its second epoch of two."""
    root = tmp_path_factory.mktemp("folded")
    names = [f"val_accuracy{end}" for end in ("", "_std", "_fold1", "_fold2", "_fold3")]
    job = studies.tune_job("folded", space={"init": Grid(tuple(VALUES))}, folds=3)
    recording = studies.Recording(root, job, metrics=tuple(names))
    for index, (init, each) in enumerate(VALUES.items()):
        trial = f"{index:04d}"
        recording.decide(trial, 0, "start", 0, config_after={"init": init})
        for epoch, less in ((1, 0.05), (2, 0.0)):
            found = np.array(each) - less
            more: dict[str, Any] = dict(zip(names, (found.mean(), found.std(), *found), strict=True))
            recording.train(trial, epoch, {"init": init}, found.mean(), epoch, **more)
        recording.decide(trial, 2, "finish", 3)
    recording.end(5)
    return load_results(root / "folded")


def test_spreads_are_those_of_the_best_epoch(folded: Results) -> None:
    """The best mean first, each with its deviation and its folds, called by the one parameter that differs."""
    found = spreads(folded)
    assert [spread.label for spread in found] == ["he", "lecun", "glorot", "zero"]
    for spread in found:
        each = np.array(VALUES[spread.label])
        assert (spread.mean, spread.std) == pytest.approx((each.mean(), each.std()))
        assert spread.each == pytest.approx(each)


def test_trials_of_one_model_have_none(asha_results: Results) -> None:
    """Without a deviation in the tables there is nothing to draw."""
    assert spreads(asha_results) == []


def test_every_mean_stands_beside_its_row(folded: Results, drawn: Any) -> None:
    """Each row has its number and deviation as text, the best above, also where it lies beyond the axis."""
    ax = drawn(plots.deviations, folded)
    told = [text.get_text() for text in ax.texts]
    assert told[0] == "0.92 ± 0.016"
    assert told[-1].startswith("0.1 ± ")
    assert [label.get_text() for label in ax.get_yticklabels()] == ["he", "lecun", "glorot", "zero"]
    assert ax.get_xlim()[0] > 0.8


def test_the_caption_says_who_cannot_be_told_apart(folded: Results) -> None:
    """Those whose deviations touch the best one's are named; zero is not."""
    said = captions.of_deviations(folded)
    assert said.startswith("he is best with 0.92 ± 0.016; within a deviation of both: lecun and glorot.")
