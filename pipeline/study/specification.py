"""The parts of a job: objective and the order of trials, budget, resources, checkpoints, start, and `fit`."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PlainValidator, StrictBool, StrictStr, TypeAdapter, ValidationError

from pipeline.code.functions import Code, value_or_code
from pipeline.schedulers import Mode
from pipeline.space import LARGEST, STRICT_CONFIG, Count, Real, Whole, plain
from pipeline.text import DrawOrder

RankingKey = tuple[bool, bool, float, float, int, DrawOrder]
"""The order of trials everywhere: not failed, with a finite value, smaller violation, better value, earlier epoch and
draw. A trial's best epoch is found in the same order."""

_MOST = 1e9
"""More than all trials in parallel; the quotient of a tiny request may be infinite."""


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
        return self.at_most is not None or self.at_least is not None

    def loss(self, value: float) -> float:
        return -value if self.mode == "max" else value

    def violation(self, value: float | None) -> float:
        """How far a value is beyond its bounds, as a share of the bound; 0 within them."""
        if not self.bounded:
            return 0.0
        if value is None or not math.isfinite(value):
            return LARGEST
        beyond = 0.0
        # Of a bound of 0, the distance.
        if self.at_most is not None:
            beyond = max(beyond, (value - self.at_most) / (abs(self.at_most) or 1.0))
        if self.at_least is not None:
            beyond = max(beyond, (self.at_least - value) / (abs(self.at_least) or 1.0))
        return min(beyond, LARGEST)

    def better(self, value: float, than: float | None) -> bool:
        """Whether a value is better than another; None is worse than any value."""
        return than is None or self.loss(value) < self.loss(than)

    def reaches(self, value: float, target: float) -> bool:
        return self.loss(value) <= self.loss(target)


def total_violation(values: Iterable[tuple[Objective, float | None]]) -> float:
    """How far values are beyond the bounds of their objectives, in total; 0 within all of them."""
    return sum(objective.violation(value) for objective, value in values)


def ranking_sql(loss: str) -> list[str]:
    """The terms of an `order by` that puts the best trial first, in DuckDB's SQL."""
    known = f"coalesce(isfinite({loss}), false)"
    return [
        "state = 'failed'",
        f"not {known}",
        f"case when {known} then violation end nulls last",
        f"case when {known} then {loss} end nulls last",
        f"case when {known} then best_epoch end nulls last",
    ]


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
        """Whether an epoch reaches the target with its value of the first objective, within all bounds."""
        return self.target is not None and value is not None and not violation and objective.reaches(value, self.target)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """CPUs, GPUs and limits of one trial, and the number of workers.

    Args:
        cpus: CPU cores of a trial; fractions allowed.
        gpus: GPUs of a trial. A fraction also limits the trial's GPU memory. For several, create the model within
            `tf.distribute.MirroredStrategy().scope()`.
        workers: How many trials train in parallel; by default as many as fit. 0 trains in the driver's process, for a
            debugger.
        epoch_seconds: Longest time of an epoch, including building the model, loading the data of its config and
            writing checkpoints. A worker that takes longer is replaced, and its trial continues from its checkpoint. By
            default 20 times the study's longest epoch so far, and at least ten minutes; without a limit for the study's
            first epoch.
        worker_gigabytes: Maximum memory of a worker process; one with more is replaced between two trials. By default
            the workers share 90% of the machine's memory.
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
    memory_gigabytes: Annotated[Real, Field(gt=0)] | None = None

    def fit(self, cpus: float, gpus: float, memory: float = math.inf) -> int:
        """How many trials fit in parallel into one machine: Ray gives a trial parts of one GPU, or whole ones."""
        rooms = [cpus / self.cpus]
        if self.gpus:
            rooms.append(gpus / self.gpus if self.gpus >= 1 else math.floor(gpus) * _whole_part(1 / self.gpus))
        if self.memory_gigabytes is not None:
            rooms.append(memory / (self.memory_gigabytes * 1e9))
        return _whole_part(min(rooms))


def _whole_part(number: float) -> int:
    # 0.3 / 0.1 is a little below 3.
    return math.floor(min(number, _MOST) + 1e-9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """How often a trial writes a checkpoint, and how many a study keeps.

    Checkpoints that a running trial or the scheduler still needs, and the best one, are never deleted.

    Args:
        seconds: A training trial writes a checkpoint at least this often, in seconds.
        top: Number of ended trials that keep their checkpoint, the best ones; by default all.
    """

    __pydantic_config__ = STRICT_CONFIG

    seconds: Annotated[Real, Field(gt=0)] = 60.0
    top: Count | None = None


_OF_CONFIG = ", or a function of the config that returns one"


def _reader(kind: Any, allowed: str) -> Callable[[Any], Any]:
    """A function that reads a value of a type; it raises ValueError with what is allowed."""
    adapter = TypeAdapter(kind)

    def read(value: Any) -> Any:
        try:
            return adapter.validate_python(plain(value))
        except ValidationError:
            raise ValueError(f"must be {allowed}") from None

    return read


_CLASS = Annotated[int, BeforeValidator(plain), Field(ge=0)]  # keys of an object in JSON are text
_WEIGHT = Annotated[Real, Field(ge=0, allow_inf_nan=False)]

READERS: dict[str, Callable[[Any], Any]] = {
    "class_weight": _reader(
        Annotated[dict[_CLASS, _WEIGHT], Field(min_length=1)] | None,
        "a dict from classes to weights of at least 0, such as {0: 1.0, 1: 5.0}" + _OF_CONFIG,
    ),
    "steps_per_epoch": _reader(Count | None, "a whole number of at least 1" + _OF_CONFIG),
    "validation_steps": _reader(Count | None, "a whole number of at least 1" + _OF_CONFIG),
    "shuffle": _reader(StrictBool, "true or false" + _OF_CONFIG),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Arguments of Keras' `fit`; each is a value, or a function of the config that returns one.

    Args:
        class_weight: Maps class indices to the weight of their rows in the loss of the training; other classes
            have 1, and a pipeline needs all of them. The model must have one output, and the training split no weights.
        steps_per_epoch: Batches in an epoch. The next epoch continues where the one before ended. An endless training
            pipeline needs it.
        validation_steps: Batches of the validation split on which trials are compared; they are always the first ones.
            An endless validation pipeline needs it.
        shuffle: Whether each epoch takes the rows of arrays and Parquet files, or the batches of a `PyDataset`, in a
            new order; if not, in their original order. A `tf.data` pipeline and a generator have their own order.
    """

    __pydantic_config__ = STRICT_CONFIG

    class_weight: Annotated[Any, *value_or_code(READERS["class_weight"])] = None
    steps_per_epoch: Annotated[Any, *value_or_code(READERS["steps_per_epoch"])] = None
    validation_steps: Annotated[Any, *value_or_code(READERS["validation_steps"])] = None
    shuffle: Annotated[Any, *value_or_code(READERS["shuffle"])] = True

    @property
    def given(self) -> dict[str, Any]:
        """The fields that differ from their defaults, by name."""
        values = {field.name: (getattr(self, field.name), field.default) for field in fields(self)}
        return {name: value for name, (value, default) in values.items() if callable(value) or value != default}


_AT = "a whole number of epochs, at least 1, or the name of a hyperparameter"


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of a trial's training that begins with a change of its model, as another call of `fit` does.

    Args:
        at: Epochs that the model trains before the phase begins: a number, or the name of a hyperparameter. A
            callback that stops the training ends the previous phase, and this one begins earlier.
        prepare: A function `prepare(model, config)` that changes the model in place: it unfreezes layers and compiles
            the model again, or sets the learning rate.
    """

    __pydantic_config__ = STRICT_CONFIG

    at: Annotated[Any, PlainValidator(_reader(Count | Annotated[StrictStr, Field(min_length=1)], _AT))]
    prepare: Code
