"""Population based training: trials take over the weights of better ones while they train."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from pipeline.schedulers.base import Scheduler, Setting
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.space import Config, perturb
from pipeline.space.values import Real

__all__ = ["PBT"]


@dataclass(frozen=True)
class PBT(PopulationSettings):
    """Population based training (Jaderberg et al. 2017, "Population Based Training of Neural Networks").

    Asynchronous, as Ray's PopulationBasedTraining has it: whoever reaches a milestone is compared with the newest
    scores of all live trials. One in the lower quantile takes over the weights of a random one in the upper quantile
    (exploit) and goes on with that one's config, changed a little (explore). Trials that ended are out of it. Beyond
    Ray: a donor has to be strictly better, and trials share the workers so that none runs ahead of those that wait.

    Args:
        interval: Epochs between two milestones; at least 1.
        quantile: Part of the population that is lowest, and that is uppermost; 0 to 0.5, 0 for no exploit.
        resample_probability: How likely a parameter is drawn anew instead of multiplied by 0.8 or 1.2; 0 to 1.
    """

    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def build(self, setting: Setting) -> Scheduler:
        """The state machine for a study."""
        return _PBT(self, setting)


class _PBT(Population):
    def __init__(self, settings: PBT, setting: Setting) -> None:
        super().__init__(settings.quantile, setting)
        self._resample_probability = settings.resample_probability

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, anew = self._setting.space, self._resample_probability
        return perturb(space, donor.config, rng, resample_probability=anew), "times 0.8 or 1.2, or drawn anew"
