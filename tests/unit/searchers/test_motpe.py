"""TPE for several objectives."""

from pipeline.searchers import MOTPESearch, Observation, RandomSearch
from tests.unit.searchers.two_losses import SPACE, draws_the_same_after_a_resume, keeps_to_bounds, learns_the_front


def test_it_learns_the_front_of_both_objectives() -> None:
    """Later configs are nearer to the front than random ones, and spread along it."""
    assert learns_the_front(MOTPESearch())


def test_it_keeps_to_the_bounds() -> None:
    """With a bound on the second objective, most later configs are within it; of random ones, few are."""
    assert keeps_to_bounds(MOTPESearch())


def test_a_resumed_study_of_two_objectives_draws_the_same() -> None:
    """The draw depends on seed and observations alone, also after they went through JSON."""
    assert draws_the_same_after_a_resume(MOTPESearch())


def test_every_second_draw_is_random_under_rungs() -> None:
    """Where trials have values at several rungs, every second config is that of random search."""
    curve = ((1, (0.5, 0.5), 0.0), (4, (0.4, 0.4), 0.0))
    before = [
        Observation(config, "known", 0.4, losses=(0.4, 0.4), milestone_values=curve)
        for config in (RandomSearch().draw(SPACE, seed=0, index=index) for index in range(20))
    ]
    same = [
        MOTPESearch().draw(SPACE, seed=0, index=index, observations=before)
        == RandomSearch().draw(SPACE, seed=0, index=index)
        for index in range(20, 26)
    ]
    assert same == [False, True] * 3
