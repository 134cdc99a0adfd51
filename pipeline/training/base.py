"""The interface of training: epochs, one by one, and a state to resume from."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import Fit, TuneJob
from pipeline.study.specification import READERS

ALLOWED = "a metric must be a number of Python's or NumPy's, or an array or tensor of one element"
"""The end of a message about any other value."""


class TrainingEnded(Exception):
    """There is no other epoch: the trial ended with the one before."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch of one trial."""

    metrics: Mapping[str, float]
    learning_rate: float | None
    seconds_build: float
    seconds_train: float
    seconds_evaluate: float
    updates: int | None = None
    parameters: int | None = None
    last: bool = False
    phase: int | None = None


class Learner(Protocol):
    """One trial's training in this process: epochs and weights, without trial ids, files and Ray."""

    @property
    def model_epoch(self) -> int:
        """Age of the weights in epochs; 0 before the first."""

    @property
    def trained_with(self) -> str | None:
        """How epochs are trained, and why if that is not by compiled epochs; None without a model."""

    def run_epoch(self) -> EpochResult:
        """Train one epoch and evaluate on the validation split; raises TrainingEnded where there is no other."""

    def save(self) -> Checkpoint:
        """Everything needed to resume exactly."""

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Resume from what `save` returned, here or in another process.

        An exploit takes over another trial's state: the learning rate stays as this trial's own config sets it.
        """

    def close(self) -> None:
        """End training: on_train_end of each callback is called."""


def batch_size_of(job: TuneJob, config: Config) -> int:
    """The rows in a step: the config's parameter `batch_size`, a whole number, or else the job's `batch_size`."""
    return cast(int, config.get("batch_size", job.batch_size))


def fit_arguments(job: TuneJob, config: Config) -> Fit:
    """The arguments of fit for a config: what functions of it return, instead of these."""
    values = {}
    for name, given in job.fit.given.items():
        argument = given(deepcopy(dict(config))) if callable(given) else given
        try:
            values[name] = READERS[name](argument)
        except ValueError as error:
            raise ModelError(
                f"fit.{name}: {given.__name__}(config) returned {argument!r:.200}, for {config}; what it returns "
                f"{str(error).partition(', or a function of')[0]}."
            ) from None
    return Fit(**values)


class NotNumeric(ValueError):
    """A value is not a number; says what it is."""


def as_number(value: Any) -> float:
    """A metric as Keras' steps, callbacks and functions may report it."""
    try:
        if hasattr(value, "shape"):
            # A tensor of PyTorch on a GPU has no __array__.
            value = value.item() if hasattr(value, "item") else np.asarray(value).item()
        if value is None or isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    except Exception:
        raise NotNumeric(f"an object of type {type(value).__name__}, {value!r:.80}") from None
