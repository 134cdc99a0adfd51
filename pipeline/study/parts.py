"""The parts of a study's specification: objective, budget, resources."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from pipeline.schedulers import Mode
from pipeline.space.values import SETTINGS, Count, Real, Whole

__all__ = ["Budget", "Objective", "Resources"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be made best.

    Args:
        metric: A metric's name, as Keras reports it: `val_accuracy`, `val_loss`, …
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
        strategy: How a trial uses several GPUs: `mirrored` trains under tf.distribute.MirroredStrategy.
    """

    __pydantic_config__ = SETTINGS

    cpus: Annotated[Real, Field(gt=0)] = 1.0
    gpus: Annotated[Real, Field(ge=0)] = 0.0
    workers: Annotated[Whole, Field(ge=0, lt=2**31)] | None = None
    strategy: Literal["mirrored"] | None = None
