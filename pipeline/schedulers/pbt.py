"""Population based training: during training, trials copy the weights of better trials."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from pipeline.schedulers.base import Scheduler, SchedulerContext
from pipeline.schedulers.population import Member, Population, PopulationSettings
from pipeline.space import Config, Real, perturb


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
        grace_period: Epochs before the first milestone; at least 1.
        explore: Hyperparameters that may change, `["lr"]`, or each with the domain in which it is explored,
            `{"lr": LogUniform(1e-4, 1e-1)}`, which must be within that of the space; None in the place of a domain is
            that of the space. The others keep the values of the trial that is copied. By default all may change.
        resample_probability: Probability that a hyperparameter is drawn again instead of multiplied by a factor; 0 to
            1.
        factors: What a hyperparameter is multiplied by, one of them at random; a listed one moves to its next value by
            a factor above 1, else to the previous one.
    """

    title: ClassVar[str] = "population based training"

    resample_probability: Annotated[Real, Field(ge=0, le=1)] = 0.25
    factors: Annotated[tuple[Annotated[Real, Field(gt=0)], ...], Field(min_length=1)] = (1.2, 0.8)
    kind: Literal["pbt"] = field(default="pbt", repr=False)

    def build(self, context: SchedulerContext) -> Scheduler:
        """The state machine for a study."""
        return _PBT(self, context)


class _PBT(Population):
    def __init__(self, settings: PBT, context: SchedulerContext) -> None:
        super().__init__(settings, context)
        self._resample_probability, self._factors = settings.resample_probability, settings.factors

    def _explored(self, donor: Member, rng: np.random.Generator) -> tuple[Config, str]:
        space, resample = self._space_around(donor.config), self._resample_probability
        config = perturb(space, donor.config, rng, resample_probability=resample, factors=self._factors)
        factors = " or ".join(f"{factor:g}" for factor in sorted(set(self._factors)))
        return config, f"times {factors}, or resampled"
