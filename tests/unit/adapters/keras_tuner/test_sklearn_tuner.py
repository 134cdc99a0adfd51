"""The tuner for estimators of scikit-learn."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from pipeline import IntUniform, Switch, load_results, run
from pipeline.adapters import from_file
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.run_trial import RunTrialHypermodel
from pipeline.adapters.keras_tuner.sklearn_tuner import SklearnTuner


def scores(tuner: SklearnTuner, *data: Any, **named: Any) -> dict[str, float]:
    """The mean metrics of a trial with the defaults."""
    folds = RunTrialHypermodel(tuner).fit(HyperParameters(), None, *data, **named)
    return {name: float(np.mean([fold[name] for fold in folds])) for name in folds[0]}


def test_a_program_is_tuned(program: Callable[[str], str], tmp_path: Path) -> None:
    """A program with a SklearnTuner is tuned: the score of a trial is the mean of its folds."""
    job = from_file(program("kt_sklearn.py"), "keras-tuner", {"name": "s"})
    assert job.space == {"kind": Switch({"tree": {"depth": IntUniform(1, 4)}, "ridge": {}})}
    assert (job.budget.trials, job.budget.epochs) == (3, 1)
    assert (job.objective.metric, job.objective.mode) == ("score", "max")
    run(job.replaced({"resources.workers": 0, "searcher": "random", "seed": 1}), storage=tmp_path, note=lambda _: None)
    trees = load_results(tmp_path / "s").epochs.query("config_kind == 'tree'")
    assert len(trees)
    x, y = load_iris(return_X_y=True)
    for _, row in trees.iterrows():
        tree = DecisionTreeClassifier(max_depth=int(row["config_depth"]), random_state=1)
        assert row["score"] == pytest.approx(cross_val_score(tree, x, y, cv=3).mean())


def test_scorers_metrics_weights_and_groups_are_used() -> None:
    """The scorer, the metrics, the weights and the groups of a search are used in each fold, even with DataFrames."""
    import pandas as pd

    rng = np.random.default_rng(0)
    x = pd.DataFrame(rng.normal(size=(40, 2)), columns=["a", "b"])
    y, weights, groups = x["a"] * 2, rng.random(40), np.arange(40) % 4
    seen: list[set[Any]] = []

    def scorer(estimator: Any, x: Any, y: Any, sample_weight: Any) -> float:
        seen.append({groups[number] for number in x.index})
        return float(len(sample_weight))

    tuner = SklearnTuner(None, lambda _: Ridge(), scorer, mean_squared_error, GroupKFold(4))
    assert scores(tuner, x, y, weights, groups=groups)["score"] == 10
    assert len(seen) == 4
    assert all(len(each) == 1 for each in seen)
    plain = SklearnTuner(hypermodel=lambda _: make_pipeline(Ridge()), metrics=[mean_squared_error])
    found = scores(plain, x, y)
    assert found["score"] > 0.9 > found["mean_squared_error"]
