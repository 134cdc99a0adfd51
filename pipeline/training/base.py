"""What training gives to whoever runs a trial: epochs, one by one, and a state to go on from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.storage import Checkpoint

__all__ = ["EpochResult", "Learner", "TrainingEnded"]


class TrainingEnded(Exception):
    """There is no further epoch: the trial ended with the one before."""


@dataclass(frozen=True, slots=True)
class EpochResult:
    """One epoch of one trial.

    Args:
        metrics: Metric name → value, as Keras names them: `loss`, `accuracy`, `val_loss`, …
        learning_rate: The optimiser's learning rate at the end of the epoch; None without an optimiser.
        seconds_build: Seconds to build and trace the model before this epoch; 0 after the first.
        seconds_train: Seconds of training.
        seconds_evaluate: Seconds of validation.
        updates: How often the optimiser has updated the weights; None without an optimiser.
        parameters: How many numbers the model's weights are; None without a model.
        last: Whether training is over: a callback stopped it, or a function ended.
    """

    metrics: Mapping[str, float]
    learning_rate: float | None
    seconds_build: float
    seconds_train: float
    seconds_evaluate: float
    updates: int | None = None
    parameters: int | None = None
    last: bool = False


class Learner(Protocol):
    """One trial's training in this process. Knows epochs and weights; knows no trial ids, no files, no Ray."""

    @property
    def model_epoch(self) -> int:
        """Age of the weights in epochs; 0 before the first."""

    def run_epoch(self) -> EpochResult:
        """Train one epoch and evaluate on the validation split.

        Raises:
            TrainingEnded: There is no further epoch.
            ModelError: The model cannot be trained at all: not compiled, no such loss, shapes that do not fit.
            Exception: Whatever the user's code raises.
        """

    def save(self) -> Checkpoint:
        """Everything needed to go on exactly: variables, seed generators, callback states, model_epoch."""

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Go on from a state.

        Args:
            checkpoint: What `save` returned, here or in another process.
            exploit: The state is another trial's: its weights are taken over, the learning rate stays as this
                trial's own config sets it.

        Raises:
            ModelError: The state is of another architecture.
        """

    def close(self) -> None:
        """Training is over: callbacks hear of it."""
