"""Population based bandits: population based training that learns where to explore."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.machine import one_thread
from pipeline.schedulers.base import Decision, ObjectiveValues, Scheduler, SchedulerContext
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.searchers.curve_process import CurveProcess, Points, Posterior, at_end
from pipeline.space import Config, Count, Cube, best_nearby, compose, fitting

_Reals = npt.NDArray[np.float64]

_MAX_GAINS = 200
"""Number of gains that the process is fitted to, the newest: the cost is cubic, and old ones mean little."""

_MIN_GAINS = 4
"""Smallest number of gains to which the process is fitted."""

_STEPS = 20
"""The optimiser's steps in a fit."""

_LARGEST = 1e100
"""Larger objectives count as this one: the squares of their differences would overflow."""


@dataclass(frozen=True)
class PB2(PopulationSettings):
    """Population based bandits (Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization …").

    Exploits like PBT. Where PBT explores at random, it fits a Gaussian process to the gain of each interval, by the
    epoch, the objective before and the config in force, and takes the config with the highest upper confidence bound
    for a donor of this age and value. Configs that others have just started count as explored. Choices and switches are
    axes of the same process. For small populations, and for hyperparameters that matter during training.

    Args:
        candidates: Number of configs among which the one with the highest upper confidence bound is chosen; at least 1.
    """

    title: ClassVar[str] = "population based bandits"

    candidates: Count = 500
    kind: Literal["pb2"] = field(default="pb2", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PB2(self, context)


class _Gain(NamedTuple):
    """The gain of an interval."""

    epoch: int
    before: float
    config: Config
    gain: float


class _PB2(Population):
    def __init__(self, settings: PB2, context: SchedulerContext) -> None:
        super().__init__(settings, context)
        self._candidates = settings.candidates
        self._gains: list[_Gain] = []
        # The user may have accepted changed domains since configs were drawn.
        self._fits = fitting(context.space)

    def on_result(self, trial_id: str, epoch: int, value: float, values: ObjectiveValues | None = None) -> Decision:
        member = self._members[trial_id]
        if member.source is not None and epoch > member.epoch and self._fits(member.config):
            # After an exploit the member's score is that of its old weights; the donor's score is the start.
            before = self._value(member.score if member.began is None else member.began)
            gain = (self._value(value) - before) / (epoch - member.epoch)
            self._gains = [*self._gains, _Gain(epoch, before, dict(member.config), gain)][-_MAX_GAINS:]
        return super().on_result(trial_id, epoch, value, values)

    def state(self) -> dict[str, Any]:
        return {**super().state(), "gains": [list(one) for one in self._gains]}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        gains = [_Gain(*fields) for fields in state["gains"]]
        self._gains = [one for one in gains if self._fits(one.config)]

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, known = self._context.space, len(self._gains)
        # What the space no longer has is drawn.
        start = compose(
            space, lambda each: donor.config[each.name] if each.has_value(donor.config) else each.domain.draw(rng)
        )
        cube = Cube(space, start, self._names)
        with one_thread():
            bound = self._bound(cube, donor) if known >= _MIN_GAINS else None
            if bound is None or not cube.sides:
                near = cube.neighbours(cube.units([start]), 0.1, rng)
                return cube.config(near[0]), f"near the donor's, with {known} gains to learn from"
            config = best_nearby(cube, cube.units([start]), bound, candidates=self._candidates, rng=rng)
        return config, f"highest bound on the gain of an epoch, after {known} gains"

    def _bound(self, cube: Cube, donor: Member) -> Any:
        """The upper confidence bound on a donor's gain as a function of configs' points."""
        score = self._value(donor.score)
        x = self._points(cube, [(one.epoch, one.before) for one in self._gains], [one.config for one in self._gains])
        gains = np.array([one.gain for one in self._gains])
        gains = np.clip((gains - gains.mean()) / (gains.std() or 1.0), -2, 2)
        # Epoch and objective have an axis each, before those of the config.
        process, known = CurveProcess(np.concatenate([[0, 1], cube.groups + 2])), at_end(x)
        posterior = Posterior(process, process.fit(known, gains, _STEPS), known, gains)
        # The variance does not depend on values: configs that others have just started count as explored.
        started = [m.config for m in self._members.values() if m.state != "ended" and m.began is not None]
        if started := [config for config in started if self._fits(config)]:
            now = self._points(cube, [(donor.epoch, score)] * len(started), started)
            posterior.believe(Points(now, np.ones(len(now)), np.arange(len(now))))
        width = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(x))))

        def bound(points: _Reals) -> _Reals:
            start = np.repeat(self._scaled([(donor.epoch, score)]), len(points), axis=0)
            mean, deviation = posterior.predict(at_end(np.hstack([start, points])))
            return mean + width * deviation

        return bound

    def _value(self, score: float | None) -> float:
        return min(max(self._merit(score), -_LARGEST), _LARGEST)

    def _points(self, cube: Cube, before: Sequence[tuple[int, float]], configs: Sequence[Config]) -> _Reals:
        return np.hstack([self._scaled(before), cube.points(cube.units(configs))])

    def _scaled(self, before: Sequence[tuple[int, float]]) -> _Reals:
        """Epochs and objectives scaled to 0 to 1 over the known gains, a row each."""
        values = np.array([one.before for one in self._gains])
        low, width = values.min(), (values.max() - values.min()) or 1.0
        epochs, objectives = np.array(before, float).T
        return np.column_stack([epochs / self._context.epochs, np.clip((objectives - low) / width, -1, 2)])
