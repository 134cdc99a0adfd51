"""The tutorial's result about initialisers."""

import pandas as pd
import pytest

from pipeline import Dataset, Split, load_results, run
from pipeline.datasets import load
from tune_jobs.mnist_initialisers import INITIALISERS, JOB

ROWS = 6000

# What the tutorial found, trained again: 24 models on thousands of rows. Contract tests try the job itself.
pytestmark = pytest.mark.long


def _some() -> Dataset:
    whole = load("mnist")
    few = [Split(split.x[:rows], split.y[:rows]) for split, rows in ((whole.train, ROWS), (whole.validation, 100))]
    return Dataset("mnist", *few, classes=whole.classes)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Mean and deviation of the folds at the last epoch for each initialiser, on a subset of the rows."""
    storage = tmp_path_factory.mktemp("initialisers")
    run(JOB.replaced({"data": _some, "budget.epochs": 4, "resources.workers": 0}), storage=storage)
    epochs = load_results(storage / JOB.name).epochs
    return epochs[epochs["epoch"] == 4].set_index("config_initialiser")[["val_accuracy", "val_accuracy_std"]]


def test_every_initialiser_is_tried_once(scores: pd.DataFrame) -> None:
    """There is one row for each initialiser, with the mean and standard deviation of three folds."""
    assert sorted(scores.index) == sorted(INITIALISERS)
    assert (scores.drop("zero")["val_accuracy_std"] > 0).all()


def test_zero_learns_nothing(scores: pd.DataFrame) -> None:
    """With initial weights of zero, the accuracy stays that of the most frequent digit."""
    assert scores.loc["zero", "val_accuracy"] == pytest.approx(0.1124, abs=0.01)
    assert (scores.drop("zero")["val_accuracy"] > 0.85).all()


def test_scaled_uniform_initialisers_are_on_top_within_noise(scores: pd.DataFrame) -> None:
    """Either lecun_uniform or glorot_uniform is within two deviations of the best."""
    best = scores.loc[scores["val_accuracy"].idxmax()]
    mine = scores.loc[["lecun_uniform", "glorot_uniform"]]
    noise = 2 * max(best["val_accuracy_std"], mine["val_accuracy_std"].max())
    assert mine["val_accuracy"].max() >= best["val_accuracy"] - noise
