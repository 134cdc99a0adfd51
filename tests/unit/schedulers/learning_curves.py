"""Learning curves, and what a scheduler does with them on one worker."""

import math
from collections.abc import Sequence

import numpy as np

from pipeline.schedulers import SchedulerSettings
from tests.scheduler_play import Curve, Play, Played


def curves(trials: int, seed: int) -> list[Curve]:
    """Rising, crossing and noisy curves; no two values are equal."""
    rng = np.random.default_rng(seed)
    heights, speeds = rng.uniform(0.3, 1, trials), rng.uniform(0.05, 1, trials)
    noises = rng.normal(0, 0.05, (trials, 1000))
    return [
        lambda epoch, i=i: float(heights[i] * (1 - math.exp(-speeds[i] * epoch)) + noises[i, epoch])
        for i in range(trials)
    ]


def milestones_of(settings: SchedulerSettings, epochs: int) -> list[int]:
    found = [0]
    while found[-1] < epochs:
        found.append(settings.next_milestone(found[-1], epochs))
    return found[1:]


def played(settings: SchedulerSettings, found: Sequence[Curve], epochs: int, mode: str) -> Played:
    settings = settings.resolved(epochs)
    return Play(settings, trials=len(found), epochs=epochs, workers=1, mode=mode, curves=found)()
