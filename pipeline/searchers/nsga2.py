"""NSGA-II (Deb et al. 2002), by Optuna."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.searchers.base import Observation, SearcherSettings, draw_generator
from pipeline.searchers.history import History
from pipeline.searchers.optuna_trials import as_trials_of_losses, sampled
from pipeline.searchers.several_losses import losses_at_one_rung
from pipeline.space import Config, Real, Whole, draw

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class NSGA2Search(SearcherSettings):
    """Crosses configs of the first fronts, and mutates them; for several objectives, and for hundreds of trials.

    Parents are the best `population` of the earlier trials, by non-dominated sorting, then by crowding distance;
    those within the objectives' bounds come first. Of more than 1,000 trials, an even sample is used. Each
    trial counts as soon as it has values: there is no wait for a whole generation. It learns about the
    hyperparameters that every config has; those in branches of switches are drawn at random.

    Args:
        population: Number of parents, and of configs that are drawn at random first.
        crossover: Probability that a config has two parents instead of one.
    """

    title: ClassVar[str] = "NSGA-II"

    population: Annotated[Whole, Field(ge=2, lt=2**31)] = 16
    crossover: Annotated[Real, Field(ge=0, le=1)] = 0.9
    learns: ClassVar[bool] = True
    every_objective: ClassVar[bool] = True

    kind: Literal["nsga2"] = field(default="nsga2", repr=False)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A config by the evolution of earlier observations."""
        learned = History.of(observations).chosen()
        rng, before = draw_generator(seed, index), losses_at_one_rung(space, learned, startup=self.population)
        known = [one for one in before if one.state == "known"]
        if len(known) < self.population:
            return draw(space, rng, index)
        return sampled(
            space,
            lambda: _sampler(self, int(rng.integers(2**31))),
            lambda: as_trials_of_losses(space, known),
            losses=len(known[0].losses),
        )


def _sampler(settings: NSGA2Search, seed: int) -> "optuna.samplers.NSGAIISampler":
    import optuna

    class OfAllTrials(optuna.samplers.NSGAIISampler):
        """Takes all trials as the generation before."""

        def get_trial_generation(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> int:
            return 1

        def get_population(self, study: optuna.Study, generation: int) -> list[optuna.trial.FrozenTrial]:
            return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])

    return OfAllTrials(population_size=settings.population, crossover_prob=settings.crossover, seed=seed)
