"""Population based bandits: population based training that learns where to explore."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from pipeline.machine import one_thread
from pipeline.schedulers.base import Decision, Scheduler, SchedulerContext
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.space import Config, Count, Cube, carry_over, fitting
from pipeline.space.cube import NEIGHBOUR_STEPS, best_nearby, neighbour, vectors
from pipeline.space.gaussian_process import GaussianProcess

_MAX_GAINS = 200
"""Number of gains that the process is fitted to, the newest: the cost is cubic, and old ones mean little."""

_MIN_GAINS = 4
"""Smallest number of gains to which the process is fitted."""

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
        interval: Epochs between two milestones; at least 1.
        quantile: Share of the population that is replaced, and share whose weights are copied; 0 to 0.5, 0 for none.
        grace_period: Epochs before the first milestone; at least 1.
        explore: Hyperparameters that may change, `["lr"]`, or each with the domain in which it is explored,
            `{"lr": LogUniform(1e-4, 1e-1)}`, which must be within that of the space; None in the place of a domain is
            that of the space. The others keep the values of the trial that is copied. By default all may change.
        candidates: Number of configs among which the one with the highest upper confidence bound is chosen; at least 1.
    """

    title: ClassVar[str] = "population based bandits"

    candidates: Count = 500
    kind: Literal["pb2"] = field(default="pb2", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        return _PB2(self, context)


@dataclass(frozen=True, slots=True)
class _Gain:
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

    def on_result(self, trial_id: str, epoch: int, value: float) -> Decision:
        member = self._members[trial_id]
        if member.source is not None and epoch > member.epoch and self._fits(member.config):
            # After an exploit the member's score is that of its old weights; the donor's score is the start.
            score = member.score if member.began is None else member.began
            assert score is not None
            before = self._value(score)
            gain = (self._value(value) - before) / (epoch - member.epoch)
            self._gains = [*self._gains, _Gain(epoch, before, dict(member.config), gain)][-_MAX_GAINS:]
        return super().on_result(trial_id, epoch, value)

    def state(self) -> dict[str, Any]:
        gains = [[one.epoch, one.before, one.config, one.gain] for one in self._gains]
        return {**super().state(), "gains": gains}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        gains = [_Gain(*fields) for fields in state["gains"]]
        self._gains = [one for one in gains if self._fits(one.config)]

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, known = self._space_around(donor.config), len(self._gains)
        start = carry_over(space, donor.config, rng)
        if known < _MIN_GAINS:
            config = neighbour(space, start, NEIGHBOUR_STEPS[0], rng)
            return config, f"near the donor's, with {known} gains to learn from"
        cube = Cube(space)
        candidates, best = rng.random((self._candidates, cube.sides)), cube.units([start])
        with one_thread():
            bound = self._bound(donor)
            config = best_nearby(
                cube,
                candidates,
                best,
                lambda places: bound(self._points_of(cube, space, places)),
                neighbours=self._candidates // 4,
                rng=rng,
            )
        return config, f"highest bound on the gain of an epoch, after {known} gains"

    def _points_of(
        self, cube: Cube, space: Mapping[str, Any], places: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.float64]:
        """Places around a config as points of the process, which has axes for what does not change, too."""
        if space is self._context.space:
            return cube.points(places)
        whole = Cube(self._context.space)
        return whole.points(whole.units_within(cube, places))

    def _bound(self, donor: Member) -> Any:
        """The upper confidence bound on a donor's gain as a function of configs."""
        score = 0.0 if donor.score is None else self._value(donor.score)
        known = self._points([(one.epoch, one.before, one.config) for one in self._gains])
        gains = np.array([one.gain for one in self._gains])
        gains = np.clip((gains - gains.mean()) / (gains.std() or 1.0), -2, 2)
        mean_of = GaussianProcess.fit(known, gains)
        # The variance does not depend on values: configs that others have just started count as explored.
        started = [
            (donor.epoch, score, m.config)
            for m in self._members.values()
            if m.state != "ended" and m.began is not None and self._fits(m.config)
        ]
        deviation_of = mean_of.over(np.vstack([known, self._points(started)])) if started else mean_of
        start = self._scaled([donor.epoch], [score])
        width = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(known))))

        def bound(configs: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
            points = np.column_stack([np.repeat(start, len(configs), axis=0), configs])
            found: npt.NDArray[np.float64] = mean_of.mean(points) + width * deviation_of.predict(points)[1]
            return found

        return bound

    def _value(self, score: float) -> float:
        return min(max(self._merit(score), -_LARGEST), _LARGEST)

    def _points(self, rows: list[tuple[int, float, Config]]) -> npt.NDArray[np.float64]:
        """Epoch and objective as `_scaled`, and the config's own axes."""
        epochs, before, configs = zip(*rows, strict=True)
        return np.column_stack([self._scaled(epochs, before), vectors(self._context.space, configs)])

    def _scaled(self, epochs: Sequence[int], before: Sequence[float]) -> npt.NDArray[np.float64]:
        """Epochs and objectives scaled to 0 to 1 over the known gains, a row each."""
        values = np.array([one.before for one in self._gains])
        low, width = values.min(), (values.max() - values.min()) or 1.0
        return np.column_stack(
            [np.array(epochs) / self._context.epochs, np.clip((np.array(before) - low) / width, -1, 2)]
        )
