"""The interface of training: epochs, one by one, and a state to resume from."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Protocol, cast

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.storage import Checkpoint
from pipeline.study import Fit, TuneJob
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
        """Everything needed to resume exactly: variables, seed generators, callback states, model_epoch."""

    def load(self, checkpoint: Checkpoint, *, exploit: bool = False) -> None:
        """Resume from what `save` returned, here or in another process.

        An exploit takes over another trial's state: the learning rate stays as this trial's own config sets it.
        """

    def close(self) -> None:
        """End training: on_train_end of each callback is called."""


def batch_size_of(job: TuneJob, config: Config) -> int:
    """The rows in a step: the config's parameter `batch_size`, a whole number, or else the job's `batch_size`."""
    return cast(int, config.get("batch_size", job.batch_size))


class JobNotes:
    """Prints each fact that the trials of a process have shown about their job once, and remembers it."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        """What was printed, in order: each a sentence or a part of one."""
        self._subjects = set[str]()

    def print_once(self, what: str, *, subject: str | None = None) -> None:
        subject = what if subject is None else subject
        if subject not in self._subjects:
            self._subjects.add(subject)
            self.texts.append(what)
            print(f"tunepipe: {capitalized(what)}")


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
