"""TPE for several objectives."""

import json
from dataclasses import asdict

import numpy as np

from pipeline.searchers import MOTPESearch, Observation, RandomSearch
from tests.unit.searchers.two_losses import SPACE, tried


def test_it_learns_the_front_of_both_objectives() -> None:
    """Later configs are nearer to the front than random ones, and spread along it."""
    later = tried(MOTPESearch(), 60)[30:]
    random = tried(RandomSearch(), 60)[30:]

    def away(found: list[Observation]) -> float:
        return float(np.mean([abs(one.config["y"] - 0.2) for one in found]))

    assert away(later) < 0.6 * away(random)
    assert np.ptp([one.config["x"] for one in later]) > 0.4


def test_it_keeps_to_the_bounds() -> None:
    """With a bound on the second objective, most later configs are within it; of random ones, few are."""
    later, random = (tried(settings, 60, most=0.3)[30:] for settings in (MOTPESearch(), RandomSearch()))
    assert sum(one.violation == 0 for one in later) > 2 * sum(one.violation == 0 for one in random)


def test_a_resumed_study_of_two_objectives_draws_the_same() -> None:
    """The draw depends on seed and observations alone, also after they went through JSON."""
    before = tried(MOTPESearch(), 30, most=0.5)
    again = [Observation(**fields) for fields in json.loads(json.dumps([asdict(one) for one in before]))]
    drawn = [MOTPESearch().draw(SPACE, seed=0, index=30, observations=known) for known in (before, again)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != MOTPESearch().draw(SPACE, seed=1, index=30, observations=before)


def test_every_second_draw_is_random_under_rungs() -> None:
    """Where trials have values at several rungs, every second config is that of random search."""
    curve = ((1, (0.5, 0.5), 0.0), (4, (0.4, 0.4), 0.0))
    before = [
        Observation(config, "known", 0.4, losses=(0.4, 0.4), standings=curve)
        for config in (RandomSearch().draw(SPACE, seed=0, index=index) for index in range(20))
    ]
    same = [
        MOTPESearch().draw(SPACE, seed=0, index=index, observations=before)
        == RandomSearch().draw(SPACE, seed=0, index=index)
        for index in range(20, 26)
    ]
    assert same == [False, True] * 3
