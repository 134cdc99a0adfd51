"""Configs as Optuna's trials: parameters from 0 to 1, or numbers of listed values."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.searchers.base import Observation
from pipeline.searchers.several_losses import bounded
from pipeline.space import Config, ListedDomain, ParameterPath, Value, compose

if TYPE_CHECKING:
    import optuna

__all__ = ["as_trial", "as_trials_of_losses", "composed", "sampled", "tpe_sampler"]


def sampled(
    space: Mapping[str, Any],
    sampler: "Callable[[], optuna.samplers.BaseSampler]",
    trials: "Callable[[], Iterable[optuna.trial.FrozenTrial]]",
    *,
    losses: int = 1,
) -> Config:
    """The config that one of Optuna's samplers suggests after earlier trials; Optuna prints nothing.

    Args:
        space: The space.
        sampler: Makes the sampler.
        trials: Makes the earlier trials.
        losses: How many losses each of them has.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = optuna.create_study(sampler=sampler(), directions=["minimize"] * losses)
        study.add_trials(trials())
        return composed(space, study.ask())


def composed(space: Mapping[str, Any], trial: "optuna.Trial") -> Config:
    """The config that a trial's sampler suggests.

    Args:
        space: The space.
        trial: A trial of an Optuna study.
    """

    def suggested(parameter: ParameterPath) -> Value:
        domain = parameter.domain
        if isinstance(domain, ListedDomain):
            number = int(trial.suggest_categorical(parameter.path, range(len(domain.values))))
            return domain.nth(number)  # type: ignore[no-any-return]
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
        violation: How far it is beyond its bounds; None if there are none.
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}

    def note(parameter: ParameterPath) -> Value:
        domain, value = parameter.domain, observation.config[parameter.name]
        if isinstance(domain, ListedDomain):
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


def as_trials_of_losses(
    space: Mapping[str, Any], observations: Sequence[Observation]
) -> "list[optuna.trial.FrozenTrial]":
    """The observations of several losses as trials of Optuna, with violations where some exceed a bound.

    Args:
        space: The space.
        observations: The observations.
    """
    limited = bounded(observations)
    return [
        as_trial(space, one, values=one.losses, violation=one.violation if limited else None)
        if one.state == "known"
        else as_trial(space, one)
        for one in observations
    ]


def tpe_sampler(seed: int, candidates: int) -> Any:
    """Optuna's tree-structured Parzen estimator, which draws from the first trial that it is given.

    Args:
        seed: The seed of the draw.
        candidates: How many configs it compares by expected improvement.

    Returns:
        An `optuna.samplers.TPESampler`.
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
