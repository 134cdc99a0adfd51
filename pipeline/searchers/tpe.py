"""The tree-structured Parzen estimator (Bergstra et al. 2011, Watanabe 2023), as Optuna has it."""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from pipeline.searchers.base import SearcherSettings, Tried, chance
from pipeline.space import Choice, Config, Grid, Place, Scalar, Switch, compose, draw
from pipeline.space.values import Count

if TYPE_CHECKING:
    import optuna

__all__ = ["TPESearch"]


@dataclass(frozen=True)
class TPESearch(SearcherSettings):
    """Draws where good configs are dense and poor ones rare; at home in conditional spaces and among choices.

    Args:
        startup: So many configs are drawn at random first: those of random search.
        candidates: How many draws each config is the best of.
    """

    startup: Count = 10
    candidates: Count = 24
    kind: Literal["tpe"] = field(default="tpe", repr=False)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index`, after what was tried."""
        rng, before = chance(seed, index), list(tried)
        if sum(one.state == "known" for one in before) < self.startup:
            return draw(space, rng, index)
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(
                seed=int(rng.integers(2**31)),
                n_startup_trials=1,
                n_ei_candidates=self.candidates,
                multivariate=True,
                group=True,
                constant_liar=True,
            )
            study = optuna.create_study(sampler=sampler)
            study.add_trials([_as_trial(space, one) for one in before])
            trial = study.ask()
            return compose(space, lambda place: _suggested(trial, place))


def _suggested(trial: "optuna.Trial", place: Place) -> Scalar:
    domain = place.domain
    if isinstance(domain, Choice | Grid | Switch):
        return domain.values[trial.suggest_categorical(place.path, range(len(domain.values)))]
    return domain.at(trial.suggest_float(place.path, 0.0, 1.0))  # type: ignore[no-any-return]


def _as_trial(space: Mapping[str, Any], tried: Tried) -> "optuna.trial.FrozenTrial":
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}

    def note(place: Place) -> Scalar:
        domain, value = place.domain, tried.config[place.name]
        if isinstance(domain, Choice | Grid | Switch):
            params[place.path] = domain.values.index(value)
            distributions[place.path] = CategoricalDistribution(range(len(domain.values)))
        else:
            params[place.path] = domain.unit(value)
            distributions[place.path] = FloatDistribution(0.0, 1.0)
        return value

    compose(space, note)
    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": "RUNNING", "failed": "PRUNED", "known": "COMPLETE"}
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[states[tried.state]],
        value=tried.loss,
        params=params,
        distributions=distributions,
    )
