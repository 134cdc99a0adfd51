"""NSGA-II."""

from pipeline.searchers import NSGA2Search
from tests.unit.searchers.two_losses import draws_the_same_after_a_resume, keeps_to_bounds, learns_the_front


def test_it_learns_the_front_of_both_objectives() -> None:
    """Later configs are nearer to the front than random ones, and spread along it."""
    assert learns_the_front(NSGA2Search())


def test_it_keeps_to_the_bounds() -> None:
    """With a bound on the second objective, most later configs are within it; of random ones, few are."""
    assert keeps_to_bounds(NSGA2Search())


def test_a_resumed_study_of_two_objectives_draws_the_same() -> None:
    """The draw depends on seed and observations alone, also after they went through JSON."""
    assert draws_the_same_after_a_resume(NSGA2Search())
