"""The parts of a study's specification: objective, start, budget, resources, checkpoints."""

import math
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from pipeline.schedulers import Mode
from pipeline.space.values import STRICT_CONFIG, Count, Real, Whole

UNKNOWN = 1e300
"""The violation of a bound by a value that is not known: larger than any other, and finite, as JSON needs it."""


_MOST = 1e9
"""More than all trials in parallel; the quotient of a tiny request may be infinite."""

_Numbers = TypeVar("_Numbers", float, npt.NDArray[np.float64])


@dataclass(frozen=True, slots=True)
class Objective:
    """A metric to optimise.

    Args:
        metric: A metric's name as Keras reports it: `val_accuracy`, `val_loss`, …; after the first objective also a
            cost of the trial: `parameters`, `updates`, `seconds_train`, `seconds_evaluate`.
        mode: `max` or `min`.
        at_most: Largest value that a trial may have; a trial beyond it is worse than all trials within their bounds.
        at_least: Smallest value that a trial may have.
    """

    __pydantic_config__ = STRICT_CONFIG

    metric: Annotated[str, Field(strict=True, min_length=1)]
    mode: Mode
    at_most: Real | None = None
    at_least: Real | None = None

    @property
    def bounded(self) -> bool:
        """Whether it is also a constraint."""
        return self.at_most is not None or self.at_least is not None

    def loss(self, value: float) -> float:
        """A value, signed so that less is better.

        Args:
            value: The value.
        """
        return -value if self.mode == "max" else value

    def violation(self, value: float | None) -> float:
        """How far a value is beyond its bounds, as a share of the bound; of a bound of 0, its distance.

        Args:
            value: The value; None, like a value that is not finite, is farther than any other.

        Returns:
            0 within the bounds.
        """
        if not self.bounded:
            return 0.0
        if value is None or not math.isfinite(value):
            return UNKNOWN
        return min(max(0.0, *self.beyond(value)), UNKNOWN)

    def beyond(self, values: _Numbers) -> list[_Numbers]:
        """How far values are beyond each bound, as a share of it; of a bound of 0, their distance; below 0 within it.

        Args:
            values: A finite value, or any number of values.

        Returns:
            A number for each value, for each bound.
        """
        beyond = []
        if self.at_most is not None:
            beyond.append((values - self.at_most) / (abs(self.at_most) or 1.0))
        if self.at_least is not None:
            beyond.append((self.at_least - values) / (abs(self.at_least) or 1.0))
        return beyond

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another.

        Args:
            value: The value.
            than: The other value; None is worse than any value.
        """
        return than is None or (value > than if self.mode == "max" else value < than)

    def reaches(self, value: float, target: float) -> bool:
        """Whether a value is at least as good as a target.

        Args:
            value: The value.
            target: The target.
        """
        return value >= target if self.mode == "max" else value <= target


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Another study, whose best configs are tried before any config is drawn.

    Args:
        study: Its name within the same storage, or the path or URI of its folder.
        top: Number of its best configs.
    """

    __pydantic_config__ = STRICT_CONFIG

    study: Annotated[str, Field(strict=True, min_length=1)]
    top: Count = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a study ends: at the first limit that is reached.

    Args:
        trials: Number of trials.
        epochs: Maximum epochs of a trial.
        total_epochs: Maximum epochs of the study, over all trials.
        seconds: Maximum wall-clock seconds, counted while a driver runs.
        target: The study ends when the first objective reaches this value.
        max_failed_trials: The study ends if this many trials, the first ones, all fail with the same error (numbers in
            it may differ) and no other trial trains.
    """

    __pydantic_config__ = STRICT_CONFIG

    trials: Count = 16
    epochs: Count = 8
    total_epochs: Count | None = None
    seconds: Annotated[Real, Field(gt=0)] | None = None
    target: Real | None = None
    max_failed_trials: Count = 3

    def target_reached(self, objective: Objective, value: float | None, violation: float) -> bool:
        """Whether an epoch reaches the target: with its value, and within the bounds of all objectives.

        Args:
            objective: The first objective.
            value: The epoch's value of it; None if there is none.
            violation: How far the epoch is beyond the bounds of all objectives, in total.
        """
        if self.target is None or value is None or violation:
            return False
        return objective.reaches(value, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """CPUs, GPUs and limits of one trial, and the number of workers.

    Args:
        cpus: CPU cores of a trial; fractions allowed.
        gpus: GPUs of a trial. A fraction also limits the trial's GPU memory; more than one needs a `strategy`.
        workers: How many trials train in parallel; by default as many as fit. 0 trains in the driver's process, for a
            debugger.
        epoch_seconds: Longest time of an epoch, including building the model. A worker that takes longer is replaced,
            and its trial continues from its checkpoint. By default 20 times the study's longest epoch so far, and at
            least ten minutes; without a limit for the study's first epoch.
        worker_gigabytes: Maximum memory of a worker process; one with more is replaced between two trials. By default
            the workers share 90% of the machine's memory.
        strategy: How a trial uses several GPUs: `mirrored` uses tf.distribute.MirroredStrategy.
        files_gigabytes: Largest total size of the files that callbacks and functions write into a trial's working
            folder. Beyond it the oldest files are deleted and named in the trial's log.
        memory_gigabytes: Memory that a trial reserves on a node of a cluster: only as many trials start there as fit.
            By default only CPUs and GPUs limit their number; on Kubernetes, `submit` reserves 0.75 if pods have less
            for each trial.
    """

    __pydantic_config__ = STRICT_CONFIG

    cpus: Annotated[Real, Field(gt=0)] = 1.0
    gpus: Annotated[Real, Field(ge=0)] = 0.0
    workers: Annotated[Whole, Field(ge=0, le=10_000)] | None = None
    epoch_seconds: Annotated[Real, Field(gt=0)] | None = None
    worker_gigabytes: Annotated[Real, Field(gt=0)] | None = None
    strategy: Literal["mirrored"] | None = None
    files_gigabytes: Annotated[Real, Field(gt=0)] = 1.0
    memory_gigabytes: Annotated[Real, Field(gt=0)] | None = None

    def fit(self, cpus: float, gpus: float, memory: float = math.inf) -> int:
        """How many trials fit in parallel into one machine: Ray gives a trial parts of one GPU, or whole ones.

        Args:
            cpus: The machine's CPUs.
            gpus: Its GPUs.
            memory: Bytes of its memory; they count if a trial reserves memory.
        """
        rooms = [cpus / self.cpus]
        if self.gpus:
            rooms.append(gpus / self.gpus if self.gpus >= 1 else math.floor(gpus) * _whole(1 / self.gpus))
        if self.memory_gigabytes is not None:
            rooms.append(memory / (self.memory_gigabytes * 1e9))
        return _whole(min(rooms))


def _whole(number: float) -> int:
    """The whole part, for quotients of decimal fractions: 0.3 / 0.1 is a little below 3."""
    return math.floor(min(number, _MOST) + 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """How often a trial writes a checkpoint, and how many a study keeps.

    Checkpoints that a running trial or the scheduler still needs, and the best one, are never deleted.

    Args:
        seconds: A training trial writes a checkpoint at least this often, in seconds.
        top: Number of ended trials that keep their checkpoint, the best ones; by default all.
        gigabytes: Maximum size of all checkpoints of the study; those of the worst ended trials are deleted first.
    """

    __pydantic_config__ = STRICT_CONFIG

    seconds: Annotated[Real, Field(gt=0)] = 60.0
    top: Count | None = None
    gigabytes: Annotated[Real, Field(gt=0)] | None = None
