"""Simulated studies of a scheduler on one worker, over given learning curves."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from pipeline.schedulers import SchedulerContext, SchedulerSettings

Curve = Callable[[int], float]


def curves(trials: int, seed: int, *, noise: float = 0.05) -> list[Curve]:
    """Rising, crossing and noisy curves; no two values are equal."""
    rng = np.random.default_rng(seed)
    heights, speeds = rng.uniform(0.3, 1, trials), rng.uniform(0.05, 1, trials)
    noises = rng.normal(0, noise, (trials, 1000))
    return [
        lambda epoch, i=i: float(heights[i] * (1 - math.exp(-speeds[i] * epoch)) + noises[i, epoch])
        for i in range(trials)
    ]


def milestones_of(settings: SchedulerSettings, epochs: int) -> list[int]:
    found = [0]
    while found[-1] < epochs:
        found.append(settings.next_milestone(found[-1], epochs))
    return found[1:]


def simulated(
    settings: SchedulerSettings, found: Sequence[Curve], epochs: int, mode: str = "max"
) -> tuple[dict[str, int], list[tuple[str, int, str]]]:
    """Each trial's last epoch, and the turns: trial, epoch at its start, and whether it was promoted or is new.

    The curves are to be maximised; with "min", the scheduler sees their negatives.
    """
    scheduler = settings.resolved(epochs).build(SchedulerContext({}, mode, epochs, len(found), 0))
    reached: dict[str, int] = {}
    waiting: dict[str, None] = {}
    turns = []
    while True:
        chosen = scheduler.choose(waiting.keys())
        rest = [trial for trial in waiting if chosen is None or trial != chosen.trial_id]
        exhausted = chosen is None and len(reached) == len(found)
        for trial in scheduler.trials_to_stop(rest, exhausted=exhausted):
            del waiting[trial]
            scheduler.end(trial)
        if exhausted:
            return reached, turns
        if chosen is None:
            trial = f"{len(reached):04d}"
            reached[trial] = 0
            scheduler.add(trial, {})
        else:
            trial = chosen.trial_id
            del waiting[trial]
        turns.append((trial, reached[trial], "promoted" if chosen and chosen.promoted else "new"))
        scheduler.start(trial)
        while True:
            epoch = reached[trial] = min(settings.next_milestone(reached[trial], epochs), epochs)
            value = found[int(trial)](epoch)
            action = scheduler.on_result(trial, epoch, value if mode == "max" else -value).action
            if action == "pause":
                waiting[trial] = None
                break
            if action == "stop" or epoch == epochs:
                scheduler.end(trial, completed=action != "stop")
                break
    return reached, turns
