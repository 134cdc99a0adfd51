"""Comparable losses: those of one rung, the highest one that enough trials have reached.

A loss at epoch 2 cannot be compared with one at epoch 50; a model of both would imitate configs that were lucky early.
As in BOHB (Falkner et al. 2018), a model uses one rung only.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.searchers.base import Observation
from pipeline.space import Config, drawn_parameters

RANDOM_EVERY = 2
"""The interval of random draws as long as trials are compared before their last epoch: configs that are good early are
not always good late, and without random draws, all draws would be near them."""

EARLY = "Drawn at random, like every second config before enough trials have reached their last epoch."
"""The reason of such a random draw."""

_EARLIEST = 0.05
"""The earliest epoch at which trials are compared, as a share of their maximum."""


def is_random(
    space: Mapping[str, Any], observations: Sequence[Observation], *, index: int, epochs: int, startup: int
) -> bool:
    """Whether a config is drawn at random because trials are compared before their last epoch."""
    rung = _rung(space, observations, epochs=epochs, startup=startup)
    return rung is not None and rung < epochs and index % RANDOM_EVERY == RANDOM_EVERY - 1


def at_one_rung(
    space: Mapping[str, Any], observations: Sequence[Observation], *, epochs: int, startup: int = 0
) -> list[Observation]:
    """The observations that can be compared."""
    rung = _rung(space, observations, epochs=epochs, startup=startup)
    if rung is None:
        return list(observations)
    comparable = []
    for one in observations:
        if one.state == "failed" or one.reach < rung:
            if one.state != "known":
                comparable.append(one)
            continue
        curve = [loss for epoch, loss in one.curve if epoch <= rung]
        # The best epoch may lie between two milestones.
        whole = not one.curve or (one.state == "known" and one.curve[-1][0] <= rung)
        loss = one.loss if whole else min(curve, default=one.curve[0][1])
        comparable.append(one.with_fields(state="known", loss=loss))
    return comparable


def losses(observations: Iterable[Observation]) -> list[tuple[Config, float]]:
    """Configs that have ended, with their losses: a failed config counts as the worst known one."""
    known = list(observations)
    worst = max((one.loss for one in known if one.loss is not None), default=None)
    if worst is None:
        return []
    return [(one.config, worst if one.loss is None else one.loss) for one in known if one.state != "open"]


def _rung(space: Mapping[str, Any], observations: Sequence[Observation], *, epochs: int, startup: int) -> float | None:
    """The epoch at which trials are compared; None if they have no rungs.

    Epochs before a twentieth of the maximum say too little about the last one.
    """
    valued = [one for one in observations if one.state != "failed"]
    rungs = sorted({epoch for one in valued for epoch, _ in one.curve})
    late = [epoch for epoch in rungs if epoch >= _EARLIEST * epochs]
    if len(rungs) < 2 and len(late) == len(rungs):
        return None
    wanted = max(startup, 3 + len(drawn_parameters(space)))
    # Trials that ended by themselves have reached the last epoch, too, whatever the ends of others look like.
    reaches = sorted(one.reach for one in valued)
    enough = (at for at in (epochs, *reversed(late)) if len(reaches) - bisect_left(reaches, at) >= wanted)
    return next(enough, min(late, default=math.inf))


def has_rungs(observations: Iterable[Observation]) -> bool:
    """Whether a trial has values of all objectives at more than one milestone: the ends of trials are not rungs."""
    return any(len(one.milestone_values) > 1 for one in observations if one.state != "failed")


def losses_at_one_rung(
    space: Mapping[str, Any], observations: Sequence[Observation], *, startup: int = 0
) -> list[Observation]:
    """As `at_one_rung`, with the losses of all objectives."""

    def reached(one: Observation, epoch: int) -> bool:
        if one.ended and one.losses:
            return True
        return bool(one.milestone_values) and one.milestone_values[-1][0] >= epoch

    valued = [one for one in observations if one.state != "failed"]
    rungs = sorted({epoch for one in valued for epoch, *_ in one.milestone_values})
    if len(rungs) < 2:
        return [one if one.loss is None or one.losses else one.with_fields(losses=(one.loss,)) for one in observations]
    wanted = max(startup, 3 + len(drawn_parameters(space)))
    rung = next((at for at in reversed(rungs) if sum(reached(one, at) for one in valued) >= wanted), rungs[0])
    comparable = []
    for one in observations:
        if one.state != "failed" and reached(one, rung):
            values = [at for at in one.milestone_values if at[0] <= rung]
            # In a bracket that begins later, the first milestone is beyond the rung.
            _, found, violation = (values or one.milestone_values[:1] or [(0, one.losses, one.violation)])[-1]
            comparable.append(one.with_fields(state="known", losses=found, violation=violation))
        elif one.state != "known":
            comparable.append(one)
    return comparable


def ranked(observations: Sequence[Observation]) -> list[Observation]:
    """The observations with losses as ranks from 0 to 1 in each objective, which do not depend on units."""
    found = list(observations)
    known = [number for number, one in enumerate(found) if one.state == "known"]
    if not known:
        return found
    values = np.array([found[number].losses for number in known])
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(np.float64)
    ranks /= np.maximum(ranks.max(axis=0), 1.0)
    for number, row in zip(known, ranks.tolist(), strict=True):
        found[number] = found[number].with_fields(losses=tuple(row))
    return found
