"""Learning curves of simulated trials: a curve for each config, whatever its source."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.space import Config

__all__ = ["Curve", "CurveSource"]


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of one config.

    Args:
        values: The objective after each epoch, from the first.
        seconds: The duration of each of these epochs.
        start: Seconds that a worker needs before the first epoch, and each time that it continues the trial.
        levels: The values without noise, which place weights that are taken over; one for each epoch.
        known: Number of epochs that were recorded; the later ones are extended.
        failure: Why the trial fails after the last epoch; None if it does not.
        ended: Whether the trial ends with the last epoch, for example by a callback.
        others: The values of the objectives after the first, by metric; as many as `values`.
    """

    values: Sequence[float]
    seconds: Sequence[float]
    start: float
    levels: Sequence[float]
    known: int
    failure: str | None = None
    ended: bool = False
    others: Mapping[str, Sequence[float]] = field(default_factory=dict)


class CurveSource(ABC):
    """A source of learning curves."""

    @abstractmethod
    def curve(self, index: int, segment: int, config: Config) -> Curve:
        """The curve of a trial's config.

        Args:
            index: The trial's number, from 0.
            segment: Number of the contiguous epochs under one config, from 1; above 1 after an exploit.
            config: The config.

        Returns:
            At least as many epochs as a trial may train, or fewer if it fails or ends.
        """

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """The source of the curves, as JSON values; `note` describes it in words."""
