"""Learning curves of simulated trials: a curve for each config, whatever its source."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.space import Config


@dataclass(frozen=True, slots=True)
class Curve:
    """The learning curve of one config."""

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
        """The curve of a trial's config."""

    @abstractmethod
    def description(self) -> Mapping[str, Any]:
        """The source of the curves, as JSON values; `note` describes it in words."""
