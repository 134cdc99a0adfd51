"""Configs as Optuna's trials: parameters from 0 to 1, or numbers of listed values."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.searchers.base import Observation
from pipeline.space import Choice, Config, Grid, ParameterPath, Switch, Value, compose

if TYPE_CHECKING:
    import optuna

__all__ = ["as_trial", "composed", "tpe_sampler"]


def composed(space: Mapping[str, Any], trial: "optuna.Trial") -> Config:
    """The config that a trial's sampler suggests.

    Args:
        space: The space.
        trial: A trial of an Optuna study.
    """

    def suggested(parameter: ParameterPath) -> Value:
        domain = parameter.domain
        if isinstance(domain, Choice | Grid | Switch):
            return domain.nth(int(trial.suggest_categorical(parameter.path, range(len(domain.values)))))
        return domain.from_unit(trial.suggest_float(parameter.path, 0.0, 1.0))  # type: ignore[no-any-return]

    return compose(space, suggested)


def as_trial(
    space: Mapping[str, Any], observation: Observation, *, values: Sequence[float] = (), violation: float | None = None
) -> "optuna.trial.FrozenTrial":
    """An observation as a trial of Optuna.

    Args:
        space: The space.
        observation: The observation.
        values: Its losses, for a known one; its one loss unless given.
        violation: How far it is beyond its bounds; None where there are none.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}

    def note(parameter: ParameterPath) -> Value:
        domain, value = parameter.domain, observation.config[parameter.name]
        if isinstance(domain, Choice | Grid | Switch):
            params[parameter.path] = domain.number(value)
            distributions[parameter.path] = CategoricalDistribution(range(len(domain.values)))
        else:
            params[parameter.path] = domain.to_unit(value)
            distributions[parameter.path] = FloatDistribution(0.0, 1.0)
        return value

    compose(space, note)
    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": "RUNNING", "failed": "PRUNED", "known": "COMPLETE"}
    own = observation.loss if values == () else None
    return optuna.trial.create_trial(
        state=optuna.trial.TrialState[states[observation.state]],
        value=own,
        values=list(values) or None,
        constraints=None if violation is None else {"violation": violation},
        params=params,
        distributions=distributions,
    )


def tpe_sampler(seed: int, candidates: int) -> Any:
    """Optuna's tree-structured Parzen estimator, which draws from the first trial that it is given.

    Args:
        seed: The seed of the draw.
        candidates: How many configs it compares by expected improvement.
    """
    import optuna

    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=1,
        n_ei_candidates=candidates,
        multivariate=True,
        group=True,
        constant_liar=True,
    )
