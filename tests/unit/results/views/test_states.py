"""The states of trials, in words."""

from typing import get_args

from pipeline.engine.trial import TrialState
from pipeline.results.views.states import STATES


def test_every_state_of_a_trial_has_a_text() -> None:
    """Every state of a trial, and nothing else, has a text."""
    assert STATES.keys() == set(get_args(TrialState))
