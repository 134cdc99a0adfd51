"""The phases of a trial: when each begins, and what it changes in the model."""

from collections.abc import Callable
from copy import deepcopy
from typing import cast

import keras

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.training.build import seed_generators
from pipeline.training.internals import compilation_of


class Phases:
    """The phases of one trial, in their order. A phase whose parameter the trial's config lacks never begins."""

    def __init__(self, job: TuneJob, config: Config, *, seed: int, adapt: Callable[[keras.Model], None]) -> None:
        self._config, self._seed, self._adapt = config, seed, adapt
        starts = [config.get(phase.at) if isinstance(phase.at, str) else phase.at for phase in job.phases]
        self._phases = [
            (cast(int, at), phase.prepare) for at, phase in zip(starts, job.phases, strict=True) if at is not None
        ]

    def follows(self, begun: int) -> bool:
        """Whether another phase follows."""
        return begun < len(self._phases)

    def due(self, begun: int, epochs: int, *, ended: bool) -> bool:
        """Whether the next phase begins now."""
        return self.follows(begun) and (ended or epochs >= self._phases[begun][0])

    def prepare_first(self, model: keras.Model, phases: int) -> None:
        """Apply the first phases to an untrained model, one after the other."""
        for number in range(1, min(phases, len(self._phases)) + 1):
            self.prepare(model, number)

    def prepare(self, model: keras.Model, number: int) -> None:
        """Apply a phase to the model."""
        _, function = self._phases[number - 1]
        name = f"{function.__name__}(model, config)"
        compiled, trained = compilation_of(model), _ids(model)
        seed_generators(self._seed, f"phase {number}")
        other = function(model, deepcopy(dict(self._config)))
        if other is not None and other is not model:
            raise ModelError(
                f"{name} returned an object of type {type(other).__name__}; it must change the model that it gets, and "
                "return nothing."
            )
        if not model.compiled or model.optimizer is None:
            raise ModelError(f"{name} left the model without an optimiser; it must compile it with model.compile(…).")
        if compilation_of(model) is compiled and _ids(model) != trained:
            raise ModelError(
                f"{name} changed which weights are trained, but did not compile the model: Keras would still train "
                "the previous weights. Call model.compile(optimizer=…, loss=…, metrics=[…]) after the change."
            )
        self._adapt(model)


def _ids(model: keras.Model) -> list[int]:
    return [id(variable) for variable in model.trainable_variables]
