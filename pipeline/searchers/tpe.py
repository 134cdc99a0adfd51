"""The tree-structured Parzen estimator (Bergstra et al. 2011, Watanabe 2023), by Optuna."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.searchers.base import Observation, Suggestion, draw_generator
from pipeline.searchers.history import History
from pipeline.searchers.optuna_trials import as_trials, sampled, tpe_sampler
from pipeline.searchers.rung_search import EARLY, RungSearch, at_one_rung
from pipeline.space import Count, draw

_BEST = 100
"""More than the configs that count as good, which are at most 25."""


@dataclass(frozen=True)
class TPESearch(RungSearch):
    """Draws configs where good ones are dense and poor ones are rare; suited to conditional spaces and choices.

    As long as trials are compared before their last epoch, every second config is drawn at random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of draws from which the best is taken.
    """

    title: ClassVar[str] = "TPE"

    startup: Count = 10
    candidates: Count = 24

    kind: Literal["tpe"] = field(default="tpe", repr=False)

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        """A config by the estimator over earlier observations."""
        # The best few make the density of good configs, the others that of poor ones.
        learned = History.of(observations).chosen(best=_BEST)
        rng, before = draw_generator(seed, index), at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        if sum(one.state == "known" for one in before) < self.startup:
            return Suggestion(draw(space, rng, index))
        if self.random_turn(space, learned, index=index, epochs=epochs, startup=self.startup):
            return Suggestion(draw(space, rng, index), EARLY)
        config = sampled(
            space,
            lambda: tpe_sampler(int(rng.integers(2**31)), self.candidates),
            lambda: as_trials(space, before),
        )
        return Suggestion(config)
