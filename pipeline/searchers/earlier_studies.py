"""The trials of earlier studies as points of a curve process."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.searchers.base import Observation
from pipeline.searchers.curve_process import Points, Reals
from pipeline.searchers.known_points import KnownPoints
from pipeline.space import Cube


@dataclass(frozen=True, slots=True)
class EarlierStudy:
    """A study before this one, from which a searcher learns."""

    name: str
    observations: Sequence[Observation]


def points_of(cube: Cube, earlier: Sequence[EarlierStudy], epochs: int, most: int) -> list[KnownPoints]:
    """The points of earlier studies, the values of each on the scale of its own losses."""
    return [KnownPoints.of(cube, study.observations, epochs, most // len(earlier)) for study in earlier]


def join_points(own: KnownPoints | None, others: Sequence[KnownPoints], trials: int) -> tuple[Points, Reals]:
    """The points of this study and of earlier ones together."""
    if own is not None and not others:
        return own.at, own.values
    parts = [(0, own)] if own is not None else []
    parts += list(enumerate(others, 1))
    numbers = []
    for number, part in parts:
        numbers.append(part.at.trial + (trials if number else 0))
        trials += int(part.at.trial.max()) + 1 if number else 0
    at = Points(
        np.concatenate([part.at.x for _, part in parts]),
        np.concatenate([part.at.t for _, part in parts]),
        np.concatenate(numbers),
        np.concatenate([np.full(len(part.at.t), number) for number, part in parts]),
    )
    return at, np.concatenate([part.values for _, part in parts])
