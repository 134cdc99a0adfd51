"""Clocks for tests, in place of a module's `time`."""

from dataclasses import dataclass


class Leaping:
    """A clock by which ten seconds pass with each look: what is done once a second is done each time."""

    def __init__(self) -> None:
        self._now = 0.0

    def monotonic(self) -> float:
        """Seconds."""
        self._now += 10.0
        return self._now


@dataclass
class Clock:
    """A clock that stands still until it is set."""

    now: float = 0.0

    def monotonic(self) -> float:
        """The seconds that it shows."""
        return self.now
