"""The interface of training: epochs, one by one, and a state to resume from."""

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast

from pipeline.datasets import PY_DATASET, TF_DATA, Dataset, Split, is_endless, kind_of
from pipeline.errors import DataError, ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob
from pipeline.study.context import current
from pipeline.study.specification import READERS
from pipeline.text import capitalized


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
    validated: bool = True
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
        """Train one epoch and evaluate on the validation split.

        Raises:
            TrainingEnded: There is no other epoch.
            ModelError: The model cannot be trained at all: not compiled, no such loss, shapes that do not fit.
            Exception: Errors of the user's code.
        """

    def validate(self) -> Mapping[str, float]:
        """Metrics of the validation split now, by their names with `val_`; callbacks are not called."""

    def save(self) -> Checkpoint:
        """Everything needed to resume exactly: variables, seed generators, callback states, model_epoch."""

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Resume from a state.

        Args:
            checkpoint: What `save` returned, here or in another process.
            exploit: Whether the state is another trial's: its weights are copied, the learning rate stays as this
                trial's own config sets it.

        Raises:
            ModelError: The state is of another architecture.
        """

    def close(self) -> None:
        """End training: on_train_end of each callback is called."""


def run_validated_epoch(learner: Learner, needed: Callable[[EpochResult], bool]) -> EpochResult:
    """Train an epoch, and validate it where `Fit.validation_freq` leaves it out but its validation is needed."""
    result = learner.run_epoch()
    if result.validated or not needed(result):
        return result
    return replace(result, metrics={**result.metrics, **learner.validate()}, validated=True)


def batch_size_of(job: TuneJob, config: Config) -> int:
    """The rows in a step: the config's parameter `batch_size`, a whole number, or else the job's `batch_size`."""
    return cast(int, config.get("batch_size", job.batch_size))


class JobNotes:
    """Prints each fact that the trials of a process have shown about their job once, and remembers it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """What was printed, in order: each a sentence or a part of one."""
        self.shared: str | None = None
        """The callback that writes where all trials write, in words; None if there is none."""
        self._subjects = set[str]()

    def print_once(self, what: str, *, subject: str | None = None) -> None:
        """Print a fact unless it was printed before."""
        subject = what if subject is None else subject
        if subject not in self._subjects:
            self._subjects.add(subject)
            self.texts.append(what)
            print(f"tunepipe: {capitalized(what)}")

    def look_for_shared(self, members: Sequence[Any], config: Mapping[str, Any]) -> None:
        """Print which callback writes where all trials write, as soon as a trial has one."""
        own = current()
        if own is None or self.shared is not None:
            return
        names = [own.id, *(str(value) for value in config.values())]
        self.shared = next(filter(None, (member.callbacks.shared(names) for member in members)), None)
        if self.shared is not None:
            self.print_once(self.shared)


# The arguments of Keras' fit.


@dataclass(frozen=True, slots=True)
class FitArguments:
    """Arguments of fit."""

    class_weight: Mapping[int, float] | None = None
    steps_per_epoch: int | None = None
    validation_steps: int | None = None
    validation_freq: int | tuple[int, ...] = 1
    shuffle: bool = True

    def validates(self, epoch: int) -> bool:
        """Whether fit validates an epoch."""
        freq = self.validation_freq
        return epoch % freq == 0 if isinstance(freq, int) else epoch in freq


def fit_arguments(job: TuneJob, config: Config) -> FitArguments:
    """The arguments of fit for a config."""
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
    return FitArguments(**values)


def check_fit(job: TuneJob, data: Dataset) -> None:
    """Check that data can be trained on with a job's `fit`, as far as that is possible without reading them."""
    given = job.fit.given
    for name, field in (("train", "steps_per_epoch"), ("validation", "validation_steps"), ("test", None)):
        split = data.pipelines.get(name)
        if split is None or not is_endless(split) or field in given:
            continue
        advice = "give it a __len__" if kind_of(split) == PY_DATASET else "leave out .repeat(), or add .take(BATCHES)"
        steps = f", or set the number of its batches with fit=Fit({field}=…)" if field else ""
        raise DataError(
            f"The {name} split of the data set {data.name!r}, a {kind_of(split)}, is endless: {advice}{steps}."
        )
    if "class_weight" in given:
        _check_class_weight(data)


def _check_class_weight(data: Dataset) -> None:
    train = data.train
    if isinstance(train, Split):
        targets, weighted = train.y, train.weight is not None
    elif kind_of(train) == TF_DATA and isinstance(spec := train.element_spec, tuple):
        targets, weighted = (spec[1] if len(spec) > 1 else None), len(spec) > 2
    else:
        return
    where = f"The train split of the data set {data.name!r}"
    if targets is None:
        raise DataError(f"{where} has no targets, so fit.class_weight has no classes to weight. Leave it out.")
    if weighted:
        raise DataError(
            f"{where} has weights, and Keras' fit takes either these or class_weight. Leave out fit.class_weight, or "
            "the weights."
        )
    if isinstance(targets, dict | tuple | list):
        raise DataError(
            f"{where} has several targets, and fit.class_weight needs a model with one output. Give each row a weight "
            "instead, or weight the classes in the loss."
        )
