"""What a simulated trial learns: a curve for each config, wherever curves come from."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.space import Config

__all__ = ["Curve", "Curves"]


@dataclass(frozen=True, slots=True)
class Curve:
    """How a model of one config learns.

    Args:
        values: The objective after its first epoch, its second, and so on.
        seconds: How long each of these epochs takes; as many.
        start: Seconds a worker needs before the first of them, and each time that it goes on with the trial.
        levels: The values without noise, by which weights that are taken over are placed; as many.
        known: So many of them are known; what comes after is extended.
        failure: Why the trial fails after the last one; None where it does not.
        ended: Whether the trial is over with the last one, as a callback may have it.
    """

    values: Sequence[float]
    seconds: Sequence[float]
    start: float
    levels: Sequence[float]
    known: int
    failure: str | None = None
    ended: bool = False


class Curves(ABC):
    """Where curves come from."""

    @abstractmethod
    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a trial's config.

        Args:
            index: The trial's number.
            segment: Contiguous epochs under one config, from 1: above 1 where it took over another's weights.
            config: The config.

        Returns:
            At least as many epochs as a trial may train, or fewer where it fails or ends.
        """

    @abstractmethod
    def described(self) -> Mapping[str, Any]:
        """Where the curves come from, as JSON values; `note` says it in words."""
