"""TPE for several objectives."""

from pipeline.searchers import MOTPESearch, Observation, RandomSearch
from tests.unit.searchers.two_losses import SPACE, draws_the_same_after_a_resume, keeps_to_bounds, learns_the_front


def test_it_learns_the_front_of_both_objectives() -> None:
    """Later configs of MOTPE are nearer to the front than random ones, and are spread along it."""
    assert learns_the_front(MOTPESearch())


def test_it_keeps_to_the_bounds() -> None:
    """If the second objective has a bound, most later configs of MOTPE are within it, and few random ones are."""
    assert keeps_to_bounds(MOTPESearch())


def test_a_resumed_study_of_two_objectives_draws_the_same() -> None:
    """A draw of MOTPE depends on seed and observations alone, even after they were converted to JSON and back."""
    assert draws_the_same_after_a_resume(MOTPESearch())


def test_every_second_draw_is_random_under_rungs() -> None:
    """If trials have values at several rungs, every second config of MOTPE is that of random search."""
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
