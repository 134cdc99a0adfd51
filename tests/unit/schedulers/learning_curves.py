"""Learning curves for simulated schedulers: rising, crossing and noisy, no two values equal."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.engine.decision_rows import DecisionRow
from pipeline.schedulers import SchedulerSettings
from pipeline.simulation.curve_source import Curve as LearningCurve, CurveSource
from pipeline.simulation.simulator import simulate
from pipeline.space import Config, Uniform
from pipeline.study import Budget, Objective, TuneJob
from tests.unit.execution.recorded_curves import steps

Curve = Callable[[int], float]


def curves(trials: int, seed: int, *, noise: float = 0.05) -> list[Curve]:
    """Curves of trials: each rises at its own speed to its own height, so that trials that improve late overtake."""
    rng = np.random.default_rng(seed)
    heights, speeds = rng.uniform(0.3, 1, trials), rng.uniform(0.05, 1, trials)
    noises = rng.normal(0, noise, (trials, 1000))
    return [
        lambda epoch, i=i: float(heights[i] * (1 - math.exp(-speeds[i] * epoch)) + noises[i, epoch])
        for i in range(trials)
    ]


def negative(learning_curves: Sequence[Curve]) -> list[Curve]:
    """The same curves negated, for objectives that are minimised."""
    return [lambda epoch, f=f: -f(epoch) for f in learning_curves]


class _Given(CurveSource):
    """Curves by the trial's number, in epochs that take no time."""

    def __init__(self, learning_curves: Sequence[Curve], epochs: int) -> None:
        self._curves, self._epochs = learning_curves, epochs

    def curve(self, index: int, segment: int, config: Config) -> LearningCurve:
        """The curve of that number, whatever its config."""
        values = [self._curves[index](epoch) for epoch in range(1, self._epochs + 1)]
        return LearningCurve(values, [0.0] * self._epochs, 0.0, values, self._epochs)

    def description(self) -> Mapping[str, Any]:
        """Not used here."""
        return {}


def simulated(
    settings: SchedulerSettings, learning_curves: Sequence[Curve], epochs: int, mode: str = "max"
) -> tuple[dict[str, int], list[tuple[str, int, str]]]:
    """Train one trial at a time until nothing is left to do."""
    job = TuneJob(
        name="simulated",
        function=steps,
        space={"x": Uniform(0, 1)},
        objectives=[Objective("score", mode)],
        scheduler=settings,
        budget=Budget(trials=len(learning_curves), epochs=epochs),
    )
    rows: list[DecisionRow] = []
    done = simulate(job, _Given(learning_curves, epochs), 1, rows.append)
    begins = {"start": "new", "promote": "promoted", "resume": "new"}
    turns = [(row.trial_id, row.epoch, begins[row.kind]) for row in rows if row.kind in begins]
    return {trial.trial_id: trial.epoch for trial in done.trials}, turns
