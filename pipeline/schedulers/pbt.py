"""Population based training: during training, trials copy the weights of better trials."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.space import Config, perturb
from pipeline.space.values import Real

__all__ = ["PBT"]


@dataclass(frozen=True)
class PBT(PopulationSettings):
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

    Asynchronous, like Ray's PopulationBasedTraining: a trial that reaches a milestone is compared with the newest
    scores of all live trials. If it is in the lower quantile, it copies the weights of a random trial in the upper
    quantile (exploit) and continues with that trial's config, slightly changed (explore). Ended trials do not take
    part. In addition to Ray's rules, a donor must be strictly better, and trials share the workers so that none runs
    ahead of those that wait.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Share of the population that is replaced, and share whose weights are copied; 0 to 0.5, 0 for none.
        resample_probability: Probability that a hyperparameter is drawn again instead of multiplied by 0.8 or 1.2; 0
            to 1.
    """

    title: ClassVar[str] = "population based training"

    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return _PBT(self, context)


class _PBT(Population):
    def __init__(self, settings: PBT, context: SchedulerContext) -> None:
        super().__init__(settings.quantile, context)
        self._resample_probability = settings.resample_probability

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, resample = self._context.space, self._resample_probability
        return perturb(space, donor.config, rng, resample_probability=resample), "times 0.8 or 1.2, or resampled"
