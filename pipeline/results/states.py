"""The states of trials: the one home of their words and colours."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["STATES", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """How a state is told and shown.

    Args:
        told: What trials in it are, in a sentence.
        colour: On a terminal, as rich names it.
        lasting: Whether a trial stays in it for a while only: what follows is not known yet.
        page: In the report, the variable of its page for the text of a row.
    """

    told: str
    colour: str
    lasting: bool = False
    page: str = "--ink"


STATES: Mapping[str, State] = {
    "completed": State("trained to its end", "green"),
    "stopped": State("stopped early", "bright_black", page="--quiet"),
    "failed": State("failed", "red", page="--bad"),
    "running": State("running", "cyan", lasting=True),
    "paused": State("paused", "yellow", lasting=True),
    "waiting": State("waiting", "white", lasting=True),
}
"""Every state, by its word in the table `trials`, in the order in which they are told."""
