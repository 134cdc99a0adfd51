"""Comparable losses of earlier trials, from which searchers of several objectives learn."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pipeline.searchers.base import Observation
from pipeline.space import drawn_parameters


def losses_at_one_rung(
    space: Mapping[str, Any], observations: Iterable[Observation], *, startup: int = 0
) -> list[Observation]:
    """As `at_one_rung` for all objectives: the observations at the highest rung that enough trials have reached."""
    known = list(observations)
    valued = [one for one in known if one.state != "failed"]
    rungs = _rungs(valued)
    if len(rungs) < 2:
        return [_whole(one) for one in known]
    wanted = max(startup, 3 + len(drawn_parameters(space)))
    rung = next((at for at in reversed(rungs) if sum(_reached(one, at) for one in valued) >= wanted), rungs[0])
    comparable = []
    for one in known:
        if one.state != "failed" and _reached(one, rung):
            reached = [at for at in one.milestone_values if at[0] <= rung]
            # In a bracket that begins later, the first milestone is beyond the rung.
            _, losses, violation = (reached or one.milestone_values[:1] or [(0, one.losses, one.violation)])[-1]
            comparable.append(one.with_fields(state="known", losses=losses, violation=violation))
        elif one.state != "known":
            comparable.append(one)
    return comparable


def ranked(observations: Iterable[Observation]) -> list[Observation]:
    """The observations with losses as ranks from 0 to 1 in each objective, which do not depend on units."""
    found = list(observations)
    known = [number for number, one in enumerate(found) if one.state == "known"]
    if not known:
        return found
    losses = np.array([found[number].losses for number in known])
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in losses.T], axis=1).astype(np.float64)
    ranks /= np.maximum(ranks.max(axis=0), 1.0)
    for number, row in zip(known, ranks.tolist(), strict=True):
        found[number] = found[number].with_fields(losses=tuple(row))
    return found


def has_rungs(observations: Iterable[Observation]) -> bool:
    """Whether a trial has values at more than one milestone: the ends of different trials are not rungs."""
    return any(len(one.milestone_values) > 1 for one in observations if one.state != "failed")


def bounded(observations: Iterable[Observation]) -> bool:
    """Whether any of the observations is beyond bounds."""
    return any(one.violation > 0 for one in observations)


def _rungs(observations: Iterable[Observation]) -> list[int]:
    return sorted({epoch for one in observations if one.state != "failed" for epoch, *_ in one.milestone_values})


def _whole(one: Observation) -> Observation:
    return one if one.loss is None or one.losses else one.with_fields(losses=(one.loss,))


def _reached(one: Observation, epoch: int) -> bool:
    if one.ended and one.losses:
        return True
    return bool(one.milestone_values) and one.milestone_values[-1][0] >= epoch
