"""The states of trials, in words."""

from typing import get_args

from pipeline.loop.trial import TrialState
from pipeline.results.views.states import STATES


def test_every_state_of_a_trial_has_a_text() -> None:
    """Every state of a trial, and nothing else, has a text."""
    assert STATES.keys() == set(get_args(TrialState))


def test_the_verb_agrees_with_the_number_of_trials() -> None:
    """A verb agrees with the number of trials, also if both of its forms are the same."""
    assert [STATES["completed"].verb_for(count) for count in (1, 2)] == ["trained to its end", "trained to their end"]
    assert [STATES["failed"].verb_for(count) for count in (1, 2)] == ["failed", "failed"]
