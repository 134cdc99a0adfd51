"""The states of trials: their words and colours."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class State:
    """How a state is worded and shown."""

    verb: str
    colour: str
    page: str = "--ink"


STATES: Mapping[str, State] = {
    "completed": State("completed", "green"),
    "stopped": State("stopped early", "bright_black", page="--quiet"),
    "failed": State("failed", "red", page="--bad"),
    "running": State("running", "cyan"),
    "paused": State("paused", "yellow"),
    "waiting": State("waiting", "white"),
}
"""Every state, by its word in the table `trials`, in the order in which sentences name them."""
