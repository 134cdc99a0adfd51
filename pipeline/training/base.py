"""The interface of training: epochs, one by one, and a state to resume from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, cast

from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import TuneJob


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
    def inexact(self) -> str | None:
        """Why a resumed trial may differ from an uninterrupted one; None if it does not."""

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
