"""The parts of a study's specification: objective, budget, resources."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, PositiveFloat, PositiveInt

from pipeline.schedulers import Mode

__all__ = ["Budget", "Objective", "Resources"]


@dataclass(frozen=True, slots=True)
class Objective:
    """What is to be made best.

    Args:
        metric: A metric's name, as Keras reports it: `val_accuracy`, `val_loss`, …
        mode: `max` or `min`.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    metric: Annotated[str, Field(min_length=1)]
    mode: Mode

    def better(self, value: float, than: float | None) -> bool:
        """Whether `value` beats `than`; anything beats None."""
        return than is None or (value > than if self.mode == "max" else value < than)

    def reaches(self, value: float, target: float) -> bool:
        """Whether `value` is at least as good as `target`."""
        return value >= target if self.mode == "max" else value <= target


class Budget(BaseModel):
    """When a study ends: at whichever limit comes first.

    Args:
        trials: How many configs are tried.
        epochs: A trial's maximum, in epochs.
        total_epochs: The study's maximum over all trials, in epochs.
        seconds: Wall-clock seconds a driver was alive.
        target: A value of the first objective that is good enough.
        max_failed_trials: End the study when its first so many trials all failed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    trials: PositiveInt = 16
    epochs: PositiveInt = 8
    total_epochs: PositiveInt | None = None
    seconds: PositiveFloat | None = None
    target: float | None = None
    max_failed_trials: PositiveInt = 3


class Resources(BaseModel):
    """What one trial gets.

    Args:
        cpus: CPU cores; fractions allowed.
        gpus: GPUs; a fraction is enforced as a memory limit, more than one needs a `strategy`.
        workers: How many trials train at once: as many as fit unless given; 0 trains in the driver's own process,
            for a debugger.
        strategy: How a trial uses several GPUs: `mirrored` trains under tf.distribute.MirroredStrategy.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cpus: PositiveFloat = 1
    gpus: NonNegativeFloat = 0
    workers: Annotated[int, Field(ge=0)] | None = None
    strategy: Literal["mirrored"] | None = None
