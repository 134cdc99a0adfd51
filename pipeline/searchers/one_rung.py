"""Comparable losses: those of one rung, the highest one that enough trials have reached.

A loss at epoch 2 cannot be compared with one at epoch 50; a model of both would imitate configs that were lucky early.
As in BOHB (Falkner et al. 2018), a model uses one rung only.
"""

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from pipeline.searchers.base import AnySpace, Observation
from pipeline.space import Config, drawn_parameters

EARLY = "Drawn at random, like every second config before enough trials have reached their last epoch."

_EARLIEST = 0.05
"""The earliest epoch at which trials are compared, as a share of their maximum: earlier ones say too little."""


def at_one_rung(
    space: AnySpace, observations: Sequence[Observation], *, epochs: int, startup: int = 0
) -> tuple[list[Observation], bool]:
    """The observations that can be compared, and whether they are compared before their last epoch.

    Then every second config is drawn at random: configs that are good early are not always good late, and without
    random draws, all draws would be near them.
    """
    valued = [one for one in observations if one.state != "failed"]
    rungs = sorted({epoch for one in valued for epoch, _ in one.curve})
    late = [epoch for epoch in rungs if epoch >= _EARLIEST * epochs]
    if len(rungs) < 2 and len(late) == len(rungs):
        return list(observations), False
    wanted = max(startup, 3 + len(drawn_parameters(space)))
    # Trials that ended by themselves have reached the last epoch, too, whatever the ends of others look like.
    reaches = sorted(one.reach for one in valued)
    enough = (at for at in (epochs, *reversed(late)) if len(reaches) - bisect_left(reaches, at) >= wanted)
    rung = next(enough, min(late, default=math.inf))
    comparable = []
    for one in observations:
        if one.state != "failed" and one.reach >= rung:
            comparable.append(_until(one, rung))
        elif one.state != "known":
            comparable.append(one)
    return comparable, rung < epochs


def _until(one: Observation, rung: float) -> Observation:
    """A trial as if it had ended at a rung: its best loss, and the last values of all objectives."""
    losses = [loss for epoch, loss in one.curve if epoch <= rung]
    # The best epoch may lie between two milestones.
    whole = not one.curve or (one.state == "known" and one.curve[-1][0] <= rung)
    # In a bracket that begins later, the first milestone is beyond the rung.
    values = [at for at in one.milestone_values if at[0] <= rung] or one.milestone_values[:1]
    _, of_all, violation = values[-1] if values else (0, one.losses, one.violation)
    loss = one.loss if whole else min(losses, default=one.curve[0][1])
    return one.with_fields(state="known", loss=loss, losses=of_all, violation=violation)


def losses(observations: Iterable[Observation]) -> list[tuple[Config, float]]:
    """Configs that have ended, with their losses: a failed config counts as the worst known one."""
    known = list(observations)
    worst = max((one.loss for one in known if one.loss is not None), default=None)
    if worst is None:
        return []
    return [(one.config, worst if one.loss is None else one.loss) for one in known if one.state != "open"]
