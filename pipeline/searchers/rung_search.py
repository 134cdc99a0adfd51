"""Searchers that compare trials at one rung: the highest one that enough trials have reached."""

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.searchers.base import RANDOM_EVERY, Observation, SuggestingSearch
from pipeline.space import drawn_parameters

_EARLIEST = 0.05
"""The earliest epoch at which trials are compared, as a share of their maximum."""

EARLY = "Drawn at random, like every second config before enough trials have reached their last epoch."
"""The reason of such a random draw."""


@dataclass(frozen=True)
class RungSearch(SuggestingSearch):
    """A searcher that compares trials at one rung."""

    @staticmethod
    def random_turn(
        space: Mapping[str, Any], observations: Sequence[Observation], *, index: int, epochs: int, startup: int
    ) -> bool:
        """Whether a config is drawn at random: every second one as long as trials are compared before their last epoch.

        Configs that are good early are not always good late. Without random draws, all draws would be near them.
        """
        rung = rung_of(space, observations, epochs=epochs, startup=startup)
        return rung is not None and rung < epochs and index % RANDOM_EVERY == RANDOM_EVERY - 1


def rung_of(
    space: Mapping[str, Any], observations: Sequence[Observation], *, epochs: int, startup: int = 0
) -> float | None:
    """The highest rung that enough trials have reached: the epoch at which they can be compared.

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


def at_one_rung(
    space: Mapping[str, Any], observations: Iterable[Observation], *, epochs: int, startup: int = 0
) -> list[Observation]:
    """The observations that can be compared: at the highest rung that enough trials have reached.

    A loss at epoch 2 cannot be compared with one at epoch 50; a model of both would imitate configs that were lucky
    early. As in BOHB (Falkner et al. 2018), the model uses one rung only.
    """
    known = list(observations)
    rung = rung_of(space, known, epochs=epochs, startup=startup)
    if rung is None:
        return known
    comparable = []
    for one in known:
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
