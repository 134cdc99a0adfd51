"""The process over config and epoch as a searcher uses it."""

import numpy as np
import pytest

from pipeline.searchers import Observation
from pipeline.searchers.curve_model import CurveModel
from pipeline.searchers.curve_process import CurveProcess, Points, Reals
from pipeline.searchers.earlier_studies import EarlierStudy
from pipeline.searchers.history import History
from pipeline.space import Cube, Uniform

SPACE, EPOCHS = {"x": Uniform(0.0, 1.0)}, 8
TRIED = [
    Observation({"x": x}, "known", (x - 0.3) ** 2, ((2, (x - 0.3) ** 2 + 0.1), (EPOCHS, (x - 0.3) ** 2)), f"{number}")
    for number, x in enumerate(np.linspace(0, 1, 12).tolist())
]


def model(tried: list[Observation], earlier: list[EarlierStudy]) -> CurveModel:
    """A model of trials and earlier studies."""
    return CurveModel(Cube(SPACE), tried, History(tried, earlier), EPOCHS)


def test_a_mean_loss_is_that_of_the_configs() -> None:
    """The interval of a mean loss holds the mean of the true losses, and is the same on each call."""
    points = np.array([[0.2], [0.3], [0.5]])
    found = model(TRIED, [])
    ((median, low, high),) = found.mean_losses(points[None])
    assert low <= np.mean((points - 0.3) ** 2) <= high
    assert low < median < high < 0.1
    assert found.mean_losses(points[None]).tolist() == [[median, low, high]]


@pytest.mark.parametrize(("means", "configs"), [(7, 5), (14, 200)])
def test_mean_losses_do_not_depend_on_what_is_asked_together(means: int, configs: int) -> None:
    """Means are the same alone and together, even those of so many configs that they are predicted in several parts."""
    groups = np.random.default_rng(0).random((means, configs, 1))
    found = model(TRIED, [])
    alone = np.concatenate([found.mean_losses(group[None]) for group in groups])
    np.testing.assert_allclose(alone, found.mean_losses(groups), rtol=1e-6)
    assert found.mean_losses(groups[:0]).shape == (0, 3)


def test_a_gain_is_expected_near_the_best() -> None:
    """The largest improvement is expected near the best config, and the reason names a trial there."""
    found, places = model(TRIED, []), np.linspace(0, 1, 21)[:, None]
    best = float(places[np.argmax(found.gains(places)), 0])
    assert abs(best - 0.3) <= 0.1
    assert "near trial 3" in found.reason(np.array([[0.28]]), EPOCHS)


def test_a_reason_names_the_most_similar_config() -> None:
    """The trial in a reason has the most similar config, even if another one has a value of an earlier epoch."""
    tried = [
        Observation({"x": x}, "known", x, ((EPOCHS, x),), f"{number}", ended=True)
        for number, x in enumerate(np.linspace(0.1, 0.9, 9).tolist())
    ]
    tried.append(Observation({"x": 0.0}, "known", 1.0, ((1, 1.0),), "early"))
    assert "near trial 0" in model(tried, []).reason(np.array([[0.051]]), EPOCHS)


def test_after_a_lucky_value_good_configs_are_drawn() -> None:
    """If no config can be expected to improve on the best value, the improvement on the best predicted one counts."""
    rng = np.random.default_rng(0)
    tried = [
        Observation({"x": x}, "known", loss := (x - 0.3) ** 2 + 0.1 * rng.normal(), ((EPOCHS, loss),), f"{number}")
        for number, x in enumerate(rng.random(150).tolist())
    ]
    found, places = model(tried, []), np.linspace(0, 1, 21)[:, None]
    gains = found.gains(places)
    best = places[[np.argmax(gains)]]
    assert abs(best[0, 0] - 0.3) <= 0.15
    assert gains.max() > 1e-4
    reason = found.reason(best, EPOCHS)
    assert reason.startswith("Expected improvement 0.0")
    assert f" on the best predicted value at epoch {EPOCHS} near trial " in reason
    assert reason.endswith("; no improvement on the best value is expected.")


def test_before_the_first_loss_a_mean_has_no_scale() -> None:
    """With values of earlier studies alone, gains are known, but a mean loss raises an error."""
    found = model([], [EarlierStudy("before", TRIED)])
    assert np.isfinite(found.gains(np.array([[0.3]]))).all()
    with pytest.raises(ValueError, match="before the first loss"):
        found.mean_losses(np.array([[[0.3]]]))


def test_of_many_running_trials_those_where_most_is_expected_lower_the_gains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand running trials elsewhere change no gain, and their values are not all predicted together."""
    near = [Observation({"x": x}, "open") for x in (0.2, 0.3, 0.4)]
    elsewhere = [Observation({"x": x}, "open") for x in np.linspace(0.7, 1.0, 1000).tolist()]
    at, sizes, covariance = np.array([[0.25], [0.3], [0.35]]), [], CurveProcess.covariance

    def measured(process: CurveProcess, theta: Reals, one: Points, other: Points) -> Reals:
        sizes.append(len(one.t) * len(other.t))
        return covariance(process, theta, one, other)

    monkeypatch.setattr(CurveProcess, "covariance", measured)
    # Of the same history, so that the process has the same parameters.
    few, many = (
        CurveModel(Cube(SPACE), tried, History(TRIED), EPOCHS) for tried in (TRIED + near, TRIED + elsewhere + near)
    )
    np.testing.assert_allclose(many.gains(at), few.gains(at), rtol=0.05)
    assert (few.gains(at) < 0.9 * model(TRIED, []).gains(at)).all()
    assert max(sizes) < 100_000
