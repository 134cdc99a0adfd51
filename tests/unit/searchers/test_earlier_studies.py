"""What earlier studies have found, in addition to the trials of this one."""

import numpy as np

from pipeline.searchers import Observation
from pipeline.searchers.earlier_studies import EarlierStudy, join_points, points_of
from pipeline.searchers.known_points import KnownPoints
from pipeline.space import Cube, Uniform

CUBE = Cube({"x": Uniform(0, 1)})
EPOCHS = 10


def _tried(count, scale=1.0):
    """Trials with two points of their curve each; the first has the least loss."""
    return [
        Observation(
            {"x": number / count}, "known", scale * number, ((2, scale * (number + 1)), (EPOCHS, scale * number))
        )
        for number in range(count)
    ]


def test_values_are_on_the_scale_of_their_own_study():
    """Values of an earlier study are scaled by its own losses, so that larger losses give the same values."""
    one, other = points_of(CUBE, [EarlierStudy("a", _tried(5)), EarlierStudy("b", _tried(5, 1e4))], EPOCHS, 100)
    np.testing.assert_allclose(one.values, other.values)


def test_points_are_shared_out_among_studies():
    """The maximum number of points is that of all earlier studies together."""
    found = points_of(CUBE, [EarlierStudy("a", _tried(50)), EarlierStudy("b", _tried(50))], EPOCHS, 40)
    assert [len(part.values) for part in found] == [20, 20]


def test_no_trials_of_two_studies_are_the_same():
    """Joined points have the numbers of their studies, and no trial has the number of one of another study."""
    own, others = (
        KnownPoints.of(CUBE, _tried(4), EPOCHS, 100),
        points_of(CUBE, [EarlierStudy("a", _tried(3))] * 2, EPOCHS, 100),
    )
    at, values = join_points(own, others, 6)
    assert len(values) == len(at.t) == 2 * (4 + 3 + 3)
    trials = [set(at.trial[at.studies == study].tolist()) for study in range(3)]
    assert [len(each) for each in trials] == [4, 3, 3]
    assert len(set.union(*trials)) == 10
    assert min(trials[1]) >= 6


def test_without_own_values_the_points_are_those_of_earlier_studies():
    """Before the study's first value the points are those of earlier studies alone."""
    at, values = join_points(None, points_of(CUBE, [EarlierStudy("a", _tried(3))], EPOCHS, 100), 2)
    assert set(at.studies.tolist()) == {1}
    assert len(values) == 6
