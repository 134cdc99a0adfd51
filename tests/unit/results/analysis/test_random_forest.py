"""A forest as boxes."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from pipeline.results.analysis.random_forest import fit_forest, predicted


def test_averages_over_boxes_equal_the_forests_mean() -> None:
    """Averages over boxes equal the mean of the forest's predictions there, along one axis and across two."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 3))
    y = x[:, 0] * x[:, 1] + x[:, 2]
    fitted = fit_forest(x, y, trees=5, seed=0, whole=False)

    def predicted(points: np.ndarray) -> np.ndarray:
        inside = (points[:, None] >= fitted.low) & (points[:, None] < fitted.high)
        return inside.all(axis=2) @ fitted.value

    points = rng.random((20_000, 3))
    points[:, 0] = 0.25 + 0.25 * points[:, 0]
    assert fitted.along(0, 4)[1] == pytest.approx(predicted(points).mean(), abs=0.01)
    points[:, 2] = 0.5 * points[:, 2]
    assert fitted.across((0, 2), (4, 2))[1, 0] == pytest.approx(predicted(points).mean(), abs=0.01)


def test_a_forest_is_as_large_as_its_values() -> None:
    """Losses of 1e200 stay finite, and shares do not depend on the unit of the objective."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 2))
    one, large = (fit_forest(x, scale * x[:, 0], trees=60, seed=0) for scale in (1.0, 1e150))
    assert large.along(0, 4) == pytest.approx(1e150 * one.along(0, 4))
    assert large.variance == pytest.approx(1e300 * one.variance)
    assert large.unseen == pytest.approx(1e150 * one.unseen)


def test_predictions_out_of_bag_are_made_where_they_are_wanted() -> None:
    """Out-of-bag predictions are near each trial's value, and are omitted if they are not requested."""
    x = np.linspace(0, 1, 40)[:, None]
    assert fit_forest(x, x[:, 0], trees=60, seed=0).unseen == pytest.approx(x[:, 0], abs=0.1)
    assert len(fit_forest(x, x[:, 0], trees=5, seed=0, whole=False).unseen) == 0


def test_a_forest_is_that_of_scikit_learn() -> None:
    """The trees are those of scikit-learn's random forest with the same seed, and so are its predictions out of bag."""
    rng = np.random.default_rng(0)
    x = rng.random((60, 3))
    y = x[:, 0] + rng.normal(0, 0.1, 60)
    forest = RandomForestRegressor(60, min_samples_leaf=2, max_features=0.7, oob_score=True, random_state=3)
    forest.fit(x, y / np.abs(y).max())
    fitted = fit_forest(x, y, trees=60, seed=3)
    leaves = np.concatenate([tree.tree_.value[tree.tree_.children_left < 0, 0, 0] for tree in forest.estimators_])
    assert (fitted.value == leaves * np.abs(y).max() / 60).all()
    assert (fitted.unseen == forest.oob_prediction_ * np.abs(y).max()).all()


def test_other_trials_are_predicted_by_the_mean_of_the_trees() -> None:
    """Trials that a forest has not seen are predicted in the unit of the objective, even where that is very large."""
    rng = np.random.default_rng(0)
    places, others = rng.random((200, 2)), rng.random((50, 2))
    for scale in (1.0, 1e150):
        found = predicted(places, scale * places[:, 0], others, trees=30, seed=0)
        assert np.abs(found / scale - others[:, 0]).max() < 0.15
