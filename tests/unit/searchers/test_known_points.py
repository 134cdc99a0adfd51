"""The losses of earlier trials that a curve process uses."""

import numpy as np
import pytest

from pipeline.searchers import Observation
from pipeline.searchers.known_points import KnownPoints, LossScale, curve_of, own_points, thinned, units_of
from pipeline.space import Choice, Cube, QUniform, Uniform

EPOCHS = 8


def trials(count: int) -> list[Observation]:
    """Trials whose loss falls with their number and with each epoch."""
    return [
        Observation({"x": number / count}, "known", 1 / number, ((2, 2 / number), (EPOCHS, 1 / number)), str(number))
        for number in range(1, count + 1)
    ]


def test_the_number_of_points_is_bounded() -> None:
    """The number of points is limited, and the best trial and both good and poor losses are among them."""
    known = KnownPoints.of(Cube({"x": Uniform(0, 1)}), trials(2001), EPOCHS, 500)
    assert len(known.values) <= 500
    assert 2000 in known.at.trial
    assert known.values.max() > 0 > known.values.min()


def test_the_scale_of_losses_is_robust() -> None:
    """A loss that is far worse than the median is clipped, so that it does not hide the others."""
    before = [*trials(9), Observation({"x": 0.5}, "known", 1e90, ((EPOCHS, 1e90),), "10")]
    known = KnownPoints.of(Cube({"x": Uniform(0, 1)}), before, EPOCHS, 100)
    assert np.isfinite(known.values).all()
    assert known.values.max() < 4


def test_a_trial_that_ended_by_itself_keeps_its_loss_to_the_last_epoch() -> None:
    """A trial that ended by itself, or has no curve, has its loss at the last epoch, and a failed one has no curve."""
    assert curve_of(Observation({}, "known", 1.0, ((2, 1.0),), ended=True), EPOCHS) == ((2, 1.0), (EPOCHS, 1.0))
    assert curve_of(Observation({}, "known", 1.0, ((2, 1.0),)), EPOCHS) == ((2, 1.0),)
    assert curve_of(Observation({}, "known", 1.0), EPOCHS) == ((EPOCHS, 1.0),)
    assert curve_of(Observation({}, "failed", 1.0, ((2, 1.0),)), EPOCHS) == ()


def test_a_trial_counts_by_its_best_epoch_so_far() -> None:
    """A curve that rises again keeps its best loss, even if that is of an epoch between two milestones."""
    curve = ((2, 1.0), (4, 0.5), (EPOCHS, 0.8))
    assert curve_of(Observation({}, "open", curve=curve), EPOCHS) == ((2, 1.0), (4, 0.5), (EPOCHS, 0.5))
    assert curve_of(Observation({}, "known", 0.4, curve), EPOCHS) == ((2, 1.0), (4, 0.5), (EPOCHS, 0.4))


def test_a_study_without_a_loss_has_no_points() -> None:
    """Running and failed trials alone have no points, because they have no loss whose scale would be known."""
    space = {"x": Uniform(0, 1)}
    without = [Observation({"x": 0.1}, "open"), Observation({"x": 0.2}, "failed")]
    assert own_points(Cube(space), without, 10, 100) is None
    points = own_points(Cube(space), [*without, Observation({"x": 0.3}, "known", 1.0)], 10, 100)
    assert points is not None
    assert len(points.values) == 2


def test_a_scaled_loss_is_found_again() -> None:
    """A loss on the scale is converted back as it was; one that was clipped, as the largest that is told apart."""
    scale = LossScale.of(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 4.0]))
    np.testing.assert_allclose(scale.losses(scale.seen(np.array([1.0, 1.5, 2.5]))), [1.0, 1.5, 2.5])
    np.testing.assert_allclose(scale.losses(np.array([*scale.seen(np.array([99.0])), 1e9])), 3.0)


@pytest.mark.parametrize("unit", [1e-300, 1e-12, 1e9])
def test_the_unit_of_losses_does_not_matter(unit: float) -> None:
    """Losses in another unit are the same on the scale, however small they are all together."""
    losses = np.array([1.0, 1.5, 2.0, 3.0, 9.0])
    one, other = LossScale.of(losses, losses), LossScale.of(losses * unit, losses * unit)
    np.testing.assert_allclose(other.seen(losses * unit), one.seen(losses))
    np.testing.assert_allclose(other.expected(0.5, 1.0, other.least), unit * one.expected(0.5, 1.0, one.least))


def test_rounding_of_the_best_loss_does_not_count() -> None:
    """If most trials have the best loss except for rounding, they have the same on the scale."""
    losses = np.array([0.0, 1e-16, 2e-16, 3e-16, 0.5])
    seen = LossScale.of(losses, losses).seen(losses)
    np.testing.assert_allclose(seen[:4], seen[0], atol=1e-5)
    assert seen[4] > seen[0] + 1


def test_the_place_of_an_observation_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws of a study do not compute the places of earlier configs again; those in another space are their own."""
    asked, to_unit = [], QUniform.to_unit
    monkeypatch.setattr(QUniform, "to_unit", lambda domain, value: asked.append(value) or to_unit(domain, value))
    space = {"q": QUniform(0.0, 1.0, 0.25), "c": Choice([[1], [2]])}
    tried = [Observation({"q": q, "c": [1]}, "open") for q in (0.25, 0.5)]
    first = units_of(Cube(space), tried)
    np.testing.assert_array_equal(first, Cube(space).units([one.config for one in tried]))
    asked.clear()
    third = Observation({"q": 0.75, "c": [2]}, "open")
    assert units_of(Cube(space), [*tried, third])[:2].tolist() == first.tolist()
    assert asked == [0.75]
    wider = Cube({"q": QUniform(0.0, 2.0, 0.25), "c": space["c"]})
    np.testing.assert_array_equal(units_of(wider, tried), wider.units([one.config for one in tried]))
    assert units_of(wider, []).shape == (0, 2)


def test_a_failed_trial_has_the_worst_loss_at_its_last_epoch() -> None:
    """A failed trial counts with the worst known loss at the last epoch, and a running one with what it has."""
    before = [*trials(3), Observation({"x": 0.1}, "failed"), Observation({"x": 0.2}, "open", curve=((2, 0.5),))]
    known = KnownPoints.of(Cube({"x": Uniform(0, 1)}), before, EPOCHS, 100)
    points = list(zip(known.at.trial.tolist(), known.at.t.tolist(), known.values.tolist(), strict=True))
    worst = max(known.values)
    assert [(t, value) for trial, t, value in points if trial == 3] == [(1.0, worst)]
    assert [t for trial, t, _ in points if trial == 4] == [2 / EPOCHS]


def test_a_curve_is_thinned_from_its_end() -> None:
    """Of a long curve the last epoch, three earlier ones that are about half as far each, and the first are kept."""
    curve = [(epoch, 1 / epoch) for epoch in range(1, 33)]
    assert [epoch for epoch, _ in thinned(curve)] == [32, 16, 8, 4, 1]
    assert thinned(curve[:1]) == curve[:1]
    assert thinned([]) == []
