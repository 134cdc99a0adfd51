"""Losses that can be compared: those of one rung."""

from dataclasses import replace

import pytest

from pipeline.searchers import SEARCHERS, Observation
from pipeline.searchers.one_rung import EARLY, at_one_rung
from pipeline.space import Uniform
from tests.unit.searchers.problems import known

_SPACE = {"x": Uniform(0, 1)}


"""One hyperparameter: four losses are enough."""


def test_losses_are_compared_at_the_highest_rung_with_enough() -> None:
    high = [known(x, (1, 2.0), (4, x), (9, -1.0)) for x in (0.1, 0.2, 0.3)]
    at_four = known(0.4, (1, 2.0), (4, 0.4))
    low = [known(x, (1, 0.0)) for x in (0.5, 0.6)]
    found = at_one_rung(_SPACE, [*low, *high, at_four], epochs=8)
    assert [(one.config["x"], one.loss) for one in found] == [(0.1, 0.1), (0.2, 0.2), (0.3, 0.3), (0.4, 0.4)]


@pytest.mark.parametrize("kind", ["tpe", "gp"])
def test_every_second_config_is_random_before_the_last_epoch(kind: str) -> None:

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


def test_the_best_epoch_may_be_between_milestones() -> None:
    trials = [replace(known(x / 10, (1, 1.0), (4, 0.5)), loss=0.25) for x in range(4)]
    assert [one.loss for one in at_one_rung(_SPACE, trials, epochs=8)] == [0.25] * 4


def test_a_trial_below_the_rung_is_open() -> None:
    high = [known(x / 10, (1, 2.0), (4, 0.5)) for x in range(4)]
    below = Observation({"x": 0.5}, "open", None, ((1, 3.0),))
    at_rung = Observation({"x": 0.6}, "open", None, ((1, 3.0), (4, 2.5)))
    failed = Observation({"x": 0.7}, "failed")
    found = at_one_rung(_SPACE, [*high, below, at_rung, failed], epochs=8)
    assert found[4:] == [below, replace(at_rung, state="known", loss=2.5), failed]
