"""The states of trials: their words and colours."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["STATES", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """How a state is worded and shown.

    Args:
        verb: What a trial in it did, in a sentence.
        colour: On a terminal, as rich names it.
        page: In the report, the variable of its page for the text of a row.
        many: What several trials in it did; empty if the words are the same.
    """

    verb: str
    colour: str
    page: str = "--ink"
    many: str = ""

    def verb_for(self, trials: int) -> str:
        """What a number of trials in it did, in a sentence.

        Args:
            trials: How many trials.
        """
        return self.many if self.many and trials != 1 else self.verb


STATES: Mapping[str, State] = {
    "completed": State("trained to its end", "green", many="trained to their end"),
    "stopped": State("stopped early", "bright_black", page="--quiet"),
    "failed": State("failed", "red", page="--bad"),
    "running": State("running", "cyan"),
    "paused": State("paused", "yellow"),
    "waiting": State("waiting", "white"),
}
"""Every state, by its word in the table `trials`, in the order in which sentences name them."""
