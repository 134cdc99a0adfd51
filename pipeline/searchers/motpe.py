"""The tree-structured Parzen estimator for several objectives (Ozaki et al. 2022), by Optuna."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.searchers.base import RANDOM_EVERY, Observation, SearcherSettings, draw_generator
from pipeline.searchers.history import History
from pipeline.searchers.optuna_trials import as_trials_of_losses, sampled, tpe_sampler
from pipeline.searchers.several_losses import has_rungs, losses_at_one_rung, ranked
from pipeline.space import Config, Count, draw


@dataclass(frozen=True)
class MOTPESearch(SearcherSettings):
    """TPE for several objectives: draws configs where those on the front are dense, within the objectives' bounds.

    Trials on early fronts that add most to the hypervolume count as good; losses are ranks, so units do not matter.
    Under a scheduler with rungs, every second config is drawn at random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of draws from which the best is taken.
    """

    title: ClassVar[str] = "TPE for several objectives"

    startup: Count = 10
    candidates: Count = 24
    learns: ClassVar[bool] = True
    every_objective: ClassVar[bool] = True

    kind: Literal["motpe"] = field(default="motpe", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A config by the estimator over earlier observations."""
        learned = History.of(observations).chosen()
        rng, before = draw_generator(seed, index), ranked(losses_at_one_rung(space, learned, startup=self.startup))
        known = [one for one in before if one.state == "known"]
        if len(known) < self.startup or (has_rungs(learned) and index % RANDOM_EVERY == RANDOM_EVERY - 1):
            return draw(space, rng, index)
        return sampled(
            space,
            lambda: tpe_sampler(int(rng.integers(2**31)), self.candidates),
            lambda: as_trials_of_losses(space, before),
            losses=len(known[0].losses),
        )
