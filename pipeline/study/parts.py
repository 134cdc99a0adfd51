"""The parts of a study's specification: objective, start, budget, resources, checkpoints."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from pipeline.schedulers import Mode
from pipeline.space.values import SETTINGS, Count, Real, Whole

__all__ = ["Budget", "Checkpoints", "Objective", "Resources", "StartFrom"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be made best.

    Args:
        metric: A metric's name, as Keras reports it: `val_accuracy`, `val_loss`, …; behind the first objective also
            what a trial costs: `parameters`, `updates`, `seconds_train`, `seconds_evaluate`.
        mode: `max` or `min`.
    """

    __pydantic_config__ = SETTINGS

    metric: Annotated[str, Field(strict=True, min_length=1)]
    mode: Mode

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` beats `than`; anything beats None."""
        return than is None or (value > than if self.mode == "max" else value < than)

    def reaches(self, value: float, target: float) -> bool:
        """Whether `value` is at least as good as `target`."""
        return value >= target if self.mode == "max" else value <= target


@dataclass(frozen=True, slots=True)
class StartFrom:
    """Another study, of which the best configs are tried before anything is drawn.

    Args:
        study: Its name within the same storage, or the path or URI of its folder.
        top: How many of its best configs.
    """

    __pydantic_config__ = SETTINGS

    study: Annotated[str, Field(strict=True, min_length=1)]
    top: Count = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When a study ends: at whichever limit comes first.

    Args:
        trials: How many configs are tried.
        epochs: A trial's maximum, in epochs.
        total_epochs: The study's maximum over all trials, in epochs.
        seconds: Wall-clock seconds a driver was alive.
        target: A value of the first objective that is good enough.
        max_failed_trials: End the study when its first so many trials all failed.
    """

    __pydantic_config__ = SETTINGS

    trials: Count = 16
    epochs: Count = 8
    total_epochs: Count | None = None
    seconds: Annotated[Real, Field(gt=0)] | None = None
    target: Real | None = None
    max_failed_trials: Count = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one trial gets.

    Args:
        cpus: CPU cores; fractions allowed.
        gpus: GPUs; a fraction is enforced as a memory limit, more than one needs a `strategy`.
        workers: How many trials train at once: as many as fit unless given; 0 trains in the driver's own
            process, for a debugger.
        epoch_seconds: An epoch that takes longer, building the model included, is taken for hung: its worker is
            replaced, and the trial goes on from its checkpoint. Unless given: an epoch that takes 20 times as long
            as the study's longest so far, and at least ten minutes; the study's first may take for ever.
        worker_gigabytes: A worker process that holds more is replaced between two trials; unless given, its share of
            nine tenths of the machine's memory.
        strategy: How a trial uses several GPUs: `mirrored` trains under tf.distribute.MirroredStrategy.
    """

    __pydantic_config__ = SETTINGS

    cpus: Annotated[Real, Field(gt=0)] = 1.0
    gpus: Annotated[Real, Field(ge=0)] = 0.0
    workers: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None
    epoch_seconds: Annotated[Real, Field(gt=0)] | None = None
    worker_gigabytes: Annotated[Real, Field(gt=0)] | None = None
    strategy: Literal["mirrored"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """When a trial leaves checkpoints, and how many of them a study keeps.

    What somebody still needs is never deleted: where a live trial goes on, what a scheduler may hand over, the best.

    Args:
        seconds: A trial in training leaves a checkpoint at least this often, in seconds.
        top: So many of the best trials that ended keep theirs; all of them unless given.
        gigabytes: What the checkpoints of the whole study may fill: those of the worst trials that ended go first.
    """

    __pydantic_config__ = SETTINGS

    seconds: Annotated[Real, Field(gt=0)] = 60.0
    top: Count | None = None
    gigabytes: Annotated[Real, Field(gt=0)] | None = None
