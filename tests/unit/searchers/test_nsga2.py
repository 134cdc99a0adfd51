"""NSGA-II."""

from pipeline.searchers import NSGA2Search
from tests.unit.searchers.two_losses import draws_the_same_after_a_resume, keeps_to_bounds, learns_the_front


def test_it_learns_the_front_of_both_objectives() -> None:
    """Later configs of NSGA-II are nearer to the front than random ones, and are spread along it."""
    assert learns_the_front(NSGA2Search())


def test_it_keeps_to_the_bounds() -> None:
    """If the second objective has a bound, most later configs of NSGA-II are within it, and few random ones are."""
    assert keeps_to_bounds(NSGA2Search())


def test_a_resumed_study_of_two_objectives_draws_the_same() -> None:
    """A draw of NSGA-II depends on seed and observations alone, even after they were converted to JSON and back."""
    assert draws_the_same_after_a_resume(NSGA2Search())
