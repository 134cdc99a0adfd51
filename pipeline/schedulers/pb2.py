"""Population based bandits: population based training that learns where to explore."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.schedulers.base import Decision, Scheduler, Setting
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.space import Config, draw
from pipeline.space.points import fitted_process, near, vectors
from pipeline.space.values import Count

__all__ = ["PB2"]

_MOST = 200
"""Gains the process is fitted to at most, the newest: its cost grows with their cube, and old ones tell little."""

_FEWEST = 4
"""With fewer gains than these there is nothing to fit."""

_STEPS = (0.1, 0.02)
"""How far the neighbours of good configs lie from them, in parts of a parameter's width."""


@dataclass(frozen=True)
class PB2(PopulationSettings):
    """Population based bandits (Parker-Holder et al. 2020, "Provably Efficient Online Hyperparameter Optimization …").

    Exploits as PBT does. Where PBT explores at random, it fits a Gaussian process to what each interval gained, by the
    epoch, the objective before and the config in force, and takes the config with the highest upper confidence bound
    for a donor of this age and value. Configs that others have just set out with count as explored. Choices and
    switches are axes of the same process. For small populations, and for hyperparameters that matter while training.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Part of the population that is lowest, and that is uppermost; 0 to 0.5, 0 for no exploit.
        candidates: How many configs the highest bound is looked for among; at least 1.
    """

    candidates: Count = 500
    kind: Literal["pb2"] = field(default="pb2", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        return _PB2(self, setting)


@dataclass(frozen=True, slots=True)
class _Gain:
    """What an interval brought.

    Args:
        epoch: The trial's own epoch at its end.
        before: The objective at its beginning, more being better.
        config: The config in force.
        gain: How much the objective gained, an epoch.
    """

    epoch: int
    before: float
    config: Config
    gain: float


class _PB2(Population):
    def __init__(self, settings: PB2, setting: Setting) -> None:
        super().__init__(settings.quantile, setting)
        self._candidates = settings.candidates
        self._gains: list[_Gain] = []

    def report(self, trial_id: str, epoch: int, value: float) -> Decision:
        member = self._members[trial_id]
        if member.source is not None and epoch > member.epoch:
            # After an exploit the score is still that of the weights given up; what the donor's were worth counts.
            score = member.score if member.began is None else member.began
            assert score is not None
            before = self._merit(score)
            gain = (self._merit(value) - before) / (epoch - member.epoch)
            self._gains = [*self._gains, _Gain(epoch, before, dict(member.config), gain)][-_MOST:]
        return super().report(trial_id, epoch, value)

    def state(self) -> dict[str, Any]:
        gains = [[one.epoch, one.before, one.config, one.gain] for one in self._gains]
        return {**super().state(), "gains": gains}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._gains = [_Gain(*fields) for fields in state["gains"]]

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, known = self._setting.space, len(self._gains)
        if known < _FEWEST:
            return near(space, donor.config, _STEPS[0], rng), f"near the donor's, with {known} gains to learn from"
        from threadpoolctl import threadpool_limits

        found = [draw(space, rng, place) for place in range(self._candidates)]
        best = [dict(donor.config)]
        # So small matrices gain nothing from threads, which would be taken from the trials.
        with threadpool_limits(1):
            bound = self._bound(donor)
            for step in _STEPS:
                found += [near(space, best[place % len(best)], step, rng) for place in range(self._candidates // 4)]
                order = np.argsort(-bound(found), kind="stable")
                best = found = [found[place] for place in order[:4]]
        return best[0], f"highest bound on the gain of an epoch, after {known} gains"

    def _bound(self, donor: Member) -> Any:
        """The upper confidence bound on a donor's gain as a function of configs."""
        score = 0.0 if donor.score is None else self._merit(donor.score)
        known = self._points([(one.epoch, one.before, one.config) for one in self._gains])
        gains = np.array([one.gain for one in self._gains])
        gains = np.clip((gains - gains.mean()) / (gains.std() or 1.0), -2, 2)
        mean_of = fitted_process(known, gains)
        # The variance does not ask for values: where others have just set out, there is less left to learn.
        setting_out = [
            (donor.epoch, score, m.config) for m in self._members.values() if m.state != "ended" and m.began is not None
        ]
        variance_of = mean_of
        if setting_out:
            more = np.vstack([known, self._points(setting_out)])
            from sklearn.base import clone

            variance_of = clone(mean_of).set_params(kernel=mean_of.kernel_, optimizer=None)
            variance_of.fit(more, np.zeros(len(more)))
        width = math.sqrt(0.2 + max(0.0, math.log(0.4 * len(known))))

        def bound(configs: list[Config]) -> npt.NDArray[np.float64]:
            points = self._points([(donor.epoch, score, config) for config in configs])
            _, std = variance_of.predict(points, return_std=True)
            found: npt.NDArray[np.float64] = mean_of.predict(points) + width * std
            return found

        return bound

    def _points(self, rows: list[tuple[int, float, Config]]) -> npt.NDArray[np.float64]:
        """Epoch and objective from 0 to 1 over what was seen, and the config's own axes."""
        values = np.array([one.before for one in self._gains])
        low, width = values.min(), (values.max() - values.min()) or 1.0
        epochs, before, configs = zip(*rows, strict=True)
        return np.column_stack(
            [
                np.array(epochs) / self._setting.epochs,
                np.clip((np.array(before) - low) / width, -1, 2),
                np.array(vectors(self._setting.space, configs)),
            ]
        )
