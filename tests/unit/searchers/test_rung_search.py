"""Searchers that compare trials at one rung."""

import math
from dataclasses import replace

import pytest

from pipeline.searchers import SEARCHERS
from pipeline.searchers.base import Observation
from pipeline.searchers.rung_search import EARLY, at_one_rung, rung_of
from pipeline.space import Uniform
from tests.unit.searchers.observations import known

_SPACE = {"x": Uniform(0, 1)}
"""One hyperparameter: four losses are enough."""


def test_losses_are_compared_at_the_highest_rung_with_enough() -> None:
    """Losses are compared at the highest epoch that four trials have reached, and shorter trials are left out."""
    high = [known(x, (1, 2.0), (4, x), (9, -1.0)) for x in (0.1, 0.2, 0.3)]
    at_four = known(0.4, (1, 2.0), (4, 0.4))
    low = [known(x, (1, 0.0)) for x in (0.5, 0.6)]
    found = at_one_rung(_SPACE, [*low, *high, at_four], epochs=8)
    assert [(one.config["x"], one.loss) for one in found] == [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4)]


def test_with_few_losses_the_lowest_rung_is_compared() -> None:
    """Losses at the lowest rung are compared if fewer than `startup` trials reached a higher one."""
    found = [known(x / 10, (1, 2.0 + x), (4, 0.0)) for x in range(3)] + [known(0.9, (1, 5.0))]
    expected = [2.0, 3.0, 4.0, 5.0]
    assert [one.loss for one in at_one_rung(_SPACE, found, epochs=8)] == expected
    more = [*found, known(0.8, (1, 6.0), (4, 0.0))]
    assert [one.loss for one in at_one_rung(_SPACE, more, epochs=8)] == [0.0] * 4
    assert [one.loss for one in at_one_rung(_SPACE, more, epochs=8, startup=5)] == [*expected, 6.0]


def test_very_early_losses_are_not_compared() -> None:
    """Losses before a twentieth of the epochs are not compared, even if no trial has later ones."""
    early = [known(x / 10, (1, 2.0 + x)) for x in range(6)]
    assert at_one_rung(_SPACE, early, epochs=32) == []
    assert len(at_one_rung(_SPACE, early, epochs=20)) == 6
    later = [known(x / 10, (1, 2.0), (3, 1.0 + x)) for x in range(2)]
    assert [one.loss for one in at_one_rung(_SPACE, [*early, *later], epochs=32)] == [1.0, 2.0]


@pytest.mark.parametrize(
    ("curves", "rung"),
    [
        ([], None),
        ([((32, 1.0),)] * 9, None),
        ([((2, 1.0),)] * 9, None),
        ([((1, 1.0),)] * 9, math.inf),
        ([((2, 1.0), (8, 1.0))] * 3, 2),
        ([((2, 1.0), (8, 1.0))] * 4, 8),
    ],
)
def test_trials_are_compared_at_a_rung(curves: list, rung: float | None) -> None:
    """The rung is the highest one that enough trials have reached, infinity if all are too early, else the lowest."""
    assert rung_of(_SPACE, [known(0.1, *curve) for curve in curves], epochs=32) == rung


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_every_second_config_is_random_before_the_last_epoch(kind: str) -> None:
    """Every second config is random as long as too few trials have reached their last epoch, and none afterwards."""

    def at_random(last: int) -> list[bool]:
        tried = [known(x / 20, (2, 1.0), (last, x / 20)) for x in range(20)]
        searcher = SEARCHERS[kind]()
        drawn = (
            searcher.suggest(_SPACE, seed=0, index=index, observations=tried, epochs=32) for index in range(20, 24)
        )
        at = [one.reason == EARLY for one in drawn]
        chosen = [searcher.suggest(_SPACE, seed=0, index=20, observations=tried, epochs=last).config]
        assert chosen == [searcher.draw(_SPACE, seed=0, index=20, observations=tried)]
        return at

    assert at_random(8) == [False, True, False, True]
    assert at_random(32) == [False] * 4


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_trials_that_end_by_themselves_have_reached_their_last_epoch(kind: str) -> None:
    """Where trials end by themselves at different epochs, no config is drawn at random because of these epochs."""
    tried = [known(x / 20, (20 + x % 3, x / 20), ended=True) for x in range(20)]
    drawn = [
        SEARCHERS[kind]().suggest(_SPACE, seed=0, index=index, observations=tried, epochs=32) for index in range(20, 24)
    ]
    assert [one.reason == EARLY for one in drawn] == [False] * 4


def test_the_best_epoch_may_be_between_milestones() -> None:
    """The loss of a trial that ended at the rung is that of its best epoch, even if no milestone has that loss."""
    trials = [replace(known(x / 10, (1, 1.0), (4, 0.5)), loss=0.25) for x in range(4)]
    assert [one.loss for one in at_one_rung(_SPACE, trials, epochs=8)] == [0.25] * 4


def test_a_trial_below_the_rung_is_open() -> None:
    """A running trial below the rung is open, one at the rung is known, and a failed one stays failed."""
    high = [known(x / 10, (1, 2.0), (4, 0.5)) for x in range(4)]
    below = Observation({"x": 0.5}, "open", None, ((1, 3.0),))
    at_rung = Observation({"x": 0.6}, "open", None, ((1, 3.0), (4, 2.5)))
    failed = Observation({"x": 0.7}, "failed")
    found = at_one_rung(_SPACE, [*high, below, at_rung, failed], epochs=8)
    assert found[4:] == [below, replace(at_rung, state="known", loss=2.5), failed]


def test_one_rung_changes_nothing() -> None:
    """If trials have at most one rung, their losses are compared unchanged."""
    trials = [known(0.1, (3, 0.5)), known(0.2, loss=0.4), Observation({"x": 0.3}, "failed")]
    assert at_one_rung(_SPACE, trials, epochs=8) == trials
