"""Configs as Optuna's trials: parameters from 0 to 1, or numbers of listed values."""

import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.searchers.base import Observation
from pipeline.searchers.several_losses import bounded
from pipeline.space import Config, ListedDomain, ParameterPath, Value, compose, drawn_parameters

if TYPE_CHECKING:
    import optuna

__all__ = ["as_trials", "as_trials_of_losses", "composed", "sampled", "tpe_sampler"]


def sampled(
    space: Mapping[str, Any],
    sampler: "Callable[[], optuna.samplers.BaseSampler]",
    trials: "Callable[[], Sequence[optuna.trial.FrozenTrial]]",
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
        study = optuna.create_study(storage=_storage(trials()), sampler=sampler(), directions=["minimize"] * losses)
        return composed(space, study.ask())


def _storage(known: "Sequence[optuna.trial.FrozenTrial]") -> "optuna.storages.InMemoryStorage":
    """A storage in which a study has trials before its own: to add them, Optuna would copy each."""
    import optuna

    for number, trial in enumerate(known, 1):  # The study's own trial is number 0.
        trial.number = number

    class WithKnownTrials(optuna.storages.InMemoryStorage):
        """Has the known trials and those of the study."""

        def get_all_trials(
            self, study_id: int, deepcopy: bool = True, states: Container[optuna.trial.TrialState] | None = None
        ) -> list[optuna.trial.FrozenTrial]:
            own = super().get_all_trials(study_id, deepcopy, states)
            return [trial for trial in known if states is None or trial.state in states] + own

    return WithKnownTrials()


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


def as_trials(space: Mapping[str, Any], observations: Iterable[Observation]) -> "list[optuna.trial.FrozenTrial]":
    """The trials of Optuna for observations.

    Args:
        space: The space.
        observations: The observations; a known one has its one loss.
    """
    distributions = _distributions(space)
    return [_trial(one, _parameters(space, one), distributions) for one in observations]


def as_trials_of_losses(
    space: Mapping[str, Any], observations: Sequence[Observation]
) -> "list[optuna.trial.FrozenTrial]":
    """The observations of several losses as trials of Optuna, with violations where some exceed a bound.

    Args:
        space: The space.
        observations: The observations.
    """
    limited, distributions, trials = bounded(observations), _distributions(space), []
    for one in observations:
        values = one.losses if one.state == "known" else ()
        trials.append(_trial(one, _parameters(space, one), distributions, values))
        if limited and one.state == "known":
            trials[-1].set_constraint("violation", one.violation)
    return trials


def _trial(
    observation: Observation,
    params: dict[str, Any],
    distributions: "Mapping[str, optuna.distributions.BaseDistribution]",
    values: Sequence[float] = (),
) -> "optuna.trial.FrozenTrial":
    import optuna

    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": "RUNNING", "failed": "PRUNED", "known": "COMPLETE"}
    return optuna.trial.FrozenTrial(
        number=0,
        trial_id=0,
        state=optuna.trial.TrialState[states[observation.state]],
        value=None if values else observation.loss,
        values=values or None,
        datetime_start=None,
        datetime_complete=None,
        params=params,
        distributions={path: distributions[path] for path in params},
        user_attrs={},
        system_attrs={},
        intermediate_values={},
    )


def _distributions(space: Mapping[str, Any]) -> "dict[str, optuna.distributions.BaseDistribution]":
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return {
        parameter.path: CategoricalDistribution(range(len(parameter.domain.values)))
        if isinstance(parameter.domain, ListedDomain)
        else FloatDistribution(0.0, 1.0)
        for parameter in drawn_parameters(space)
    }


def _parameters(space: Mapping[str, Any], observation: Observation) -> dict[str, Any]:
    """An observation's parameters, computed once, because each draw learns from up to a thousand observations."""
    known = observation.of_config.get("optuna")
    if known is None or known[0] is not space:
        params: dict[str, Any] = {}

        def note(parameter: ParameterPath) -> Value:
            domain, value = parameter.domain, observation.config[parameter.name]
            params[parameter.path] = domain.number(value) if isinstance(domain, ListedDomain) else domain.to_unit(value)
            return value

        compose(space, note)
        known = observation.of_config["optuna"] = space, params
    return known[1]


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
