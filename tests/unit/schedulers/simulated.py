"""Learning curves to play schedulers on: rising, crossing and noisy, no two values alike."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.schedulers import Decision, SchedulerSettings, Setting

Curve = Callable[[int], float]


def curves(trials: int, seed: int, *, noise: float = 0.05) -> list[Curve]:
    """Curves of trials: each rises at its own speed to a height of its own, so that late bloomers overtake."""
    rng = np.random.default_rng(seed)
    heights, speeds = rng.uniform(0.3, 1, trials), rng.uniform(0.05, 1, trials)
    noises = rng.normal(0, noise, (trials, 1000))
    return [
        lambda epoch, i=i: float(heights[i] * (1 - math.exp(-speeds[i] * epoch)) + noises[i, epoch])
        for i in range(trials)
    ]


def negative(found: Sequence[Curve]) -> list[Curve]:
    """The same curves to be made small."""
    return [lambda epoch, f=f: -f(epoch) for f in found]


def played(
    settings: SchedulerSettings, found: Sequence[Curve], epochs: int, mode: str = "max"
) -> tuple[dict[str, int], list[tuple[str, int, str]]]:
    """Train one trial at a time until nothing is left to do.

    Returns:
        How far each trial came; and who was given the worker, from which epoch and whether promoted.
    """
    scheduler = settings.build(Setting({}, mode, epochs, len(found), 0))
    reached: dict[str, int] = {}
    waiting: list[str] = []
    turns = []
    while True:
        chosen = scheduler.choose(tuple(waiting))
        for trial in scheduler.dismissed(
            [t for t in waiting if chosen is None or t != chosen.trial_id], exhausted=False
        ):
            waiting.remove(trial)
            scheduler.end(trial)
        if chosen is not None:
            trial = chosen.trial_id
            waiting.remove(trial)
        elif len(reached) < len(found):
            trial = f"{len(reached):04d}"
            reached[trial] = 0
            scheduler.add(trial, {})
        else:
            return reached, turns
        turns.append((trial, reached[trial], "promoted" if chosen is not None and chosen.promoted else "new"))
        scheduler.start(trial)
        decision = Decision("continue", "")
        while decision.action == "continue" and reached[trial] < epochs:
            reached[trial] = settings.next_milestone(reached[trial], epochs)
            decision = scheduler.report(trial, reached[trial], found[int(trial)](reached[trial]))
        if decision.action == "pause" and reached[trial] < epochs:
            waiting.append(trial)
        else:
            scheduler.end(trial)
