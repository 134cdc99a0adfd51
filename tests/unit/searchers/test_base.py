"""The losses and random numbers that searchers get."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from pipeline.searchers import SEARCHERS
from pipeline.searchers.base import EARLY, Observation, at_one_rung, chance, losses, rung_of
from pipeline.space import Uniform

_SPACE = {"x": Uniform(0, 1)}
"""One parameter: four losses are enough."""


def _known(x: float, *curve: tuple[int, float], loss: float | None = None, ended: bool = False) -> Observation:
    best = min((value for _, value in curve), default=None) if loss is None else loss
    return Observation({"x": x}, "known", best, curve, ended=ended)


@pytest.mark.parametrize(
    ("observation", "reached"),
    [
        (_known(0, (1, 0.5), (4, 0.4)), True),
        (_known(0, (1, 0.5)), False),
        (_known(0, (1, 0.5), ended=True), True),
        (_known(0, loss=0.5), True),
        (Observation({"x": 0}, "open", None, ((4, 0.5),)), True),
        (Observation({"x": 0}, "open"), False),
        (Observation({"x": 0}, "failed"), False),
    ],
)
def test_a_loss_is_known_at_an_epoch(observation: Observation, reached: bool) -> None:
    """A loss is known at an epoch if a milestone there or later was reported or the trial cannot improve."""
    assert observation.reached(4) == reached


def test_each_draw_has_its_own_numbers() -> None:
    """The random numbers of each draw depend only on the seed and the draw's number."""
    drawn = {(seed, index): chance(seed, index).random() for seed in range(20) for index in range(20)}
    assert len(set(drawn.values())) == 400
    assert chance(3, 4).random() == drawn[3, 4]


def test_losses_are_compared_at_the_highest_rung_with_enough() -> None:
    """Losses are compared at the highest epoch that four trials have reached, and shorter trials are left out."""
    high = [_known(x, (1, 2.0), (4, x), (9, -1.0)) for x in (0.1, 0.2, 0.3)]
    at_four = _known(0.4, (1, 2.0), (4, 0.4))
    low = [_known(x, (1, 0.0)) for x in (0.5, 0.6)]
    found = at_one_rung(_SPACE, [*low, *high, at_four], epochs=8)
    assert [(one.config["x"], one.loss) for one in found] == [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4)]


def test_with_few_losses_the_lowest_rung_is_compared() -> None:
    """Losses at the lowest rung are compared if fewer than `startup` trials reached a higher one."""
    found = [_known(x / 10, (1, 2.0 + x), (4, 0.0)) for x in range(3)] + [_known(0.9, (1, 5.0))]
    expected = [2.0, 3.0, 4.0, 5.0]
    assert [one.loss for one in at_one_rung(_SPACE, found, epochs=8)] == expected
    more = [*found, _known(0.8, (1, 6.0), (4, 0.0))]
    assert [one.loss for one in at_one_rung(_SPACE, more, epochs=8)] == [0.0] * 4
    assert [one.loss for one in at_one_rung(_SPACE, more, epochs=8, startup=5)] == [*expected, 6.0]


def test_very_early_losses_are_not_compared() -> None:
    """Losses before a twentieth of the epochs are not compared, even if no trial has later ones."""
    early = [_known(x / 10, (1, 2.0 + x)) for x in range(6)]
    assert at_one_rung(_SPACE, early, epochs=32) == []
    assert len(at_one_rung(_SPACE, early, epochs=20)) == 6
    later = [_known(x / 10, (1, 2.0), (3, 1.0 + x)) for x in range(2)]
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
    assert rung_of(_SPACE, [_known(0.1, *curve) for curve in curves], epochs=32) == rung


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_every_second_config_is_random_before_the_last_epoch(kind: str) -> None:
    """Every second config is random as long as too few trials have reached their last epoch, and none afterwards."""

    def at_random(last: int) -> list[bool]:
        tried = [_known(x / 20, (2, 1.0), (last, x / 20)) for x in range(20)]
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
    tried = [_known(x / 20, (20 + x % 3, x / 20), ended=True) for x in range(20)]
    drawn = [
        SEARCHERS[kind]().suggest(_SPACE, seed=0, index=index, observations=tried, epochs=32) for index in range(20, 24)
    ]
    assert [one.reason == EARLY for one in drawn] == [False] * 4


def test_the_best_epoch_may_be_between_milestones() -> None:
    """The loss of a trial that ended at the rung is that of its best epoch, also if no milestone has that loss."""
    trials = [replace(_known(x / 10, (1, 1.0), (4, 0.5)), loss=0.25) for x in range(4)]
    assert [one.loss for one in at_one_rung(_SPACE, trials, epochs=8)] == [0.25] * 4


def test_a_trial_below_the_rung_is_open() -> None:
    """A running trial below the rung is open, one at the rung is known, and a failed one stays failed."""
    high = [_known(x / 10, (1, 2.0), (4, 0.5)) for x in range(4)]
    below = Observation({"x": 0.5}, "open", None, ((1, 3.0),))
    at_rung = Observation({"x": 0.6}, "open", None, ((1, 3.0), (4, 2.5)))
    failed = Observation({"x": 0.7}, "failed")
    found = at_one_rung(_SPACE, [*high, below, at_rung, failed], epochs=8)
    assert found[4:] == [below, replace(at_rung, state="known", loss=2.5), failed]


def test_one_rung_changes_nothing() -> None:
    """If trials have at most one rung, their losses are compared unchanged."""
    trials = [_known(0.1, (3, 0.5)), _known(0.2, loss=0.4), Observation({"x": 0.3}, "failed")]
    assert at_one_rung(_SPACE, trials, epochs=8) == trials


@given(known=st.lists(st.floats(-5, 5) | st.sampled_from(["open", "failed"]), max_size=8))
def test_failures_count_as_the_worst(known: list) -> None:
    """Failures get the worst known loss, open configs do so on request, and without a known loss there are none."""
    trials = [
        Observation({"x": number}, "known", one) if isinstance(one, float) else Observation({"x": number}, one)
        for number, one in enumerate(known)
    ]
    values = [one for one in known if isinstance(one, float)]
    for open_too in (False, True):
        expected = [
            ({"x": number}, one if isinstance(one, float) else max(values))
            for number, one in enumerate(known)
            if values and (open_too or one != "open")
        ]
        assert losses(trials, open_too=open_too) == expected
