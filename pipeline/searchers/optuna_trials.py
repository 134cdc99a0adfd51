"""Configs as Optuna's trials: parameters from 0 to 1, or numbers of listed values."""

import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from pipeline.searchers.base import Observation
from pipeline.searchers.several_losses import bounded
from pipeline.space import Config, ListedDomain, ParameterPath, Value, compose, drawn_parameters

if TYPE_CHECKING:
    import optuna


def sampled(
    space: Mapping[str, Any],
    sampler: "Callable[[], optuna.samplers.BaseSampler]",
    trials: "Callable[[], Sequence[optuna.trial.FrozenTrial]]",
    *,
    losses: int = 1,
) -> Config:
    """The config that one of Optuna's samplers suggests after earlier trials; Optuna prints nothing."""
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
    """The config that a trial's sampler suggests."""

    def suggested(parameter: ParameterPath) -> Value:
        domain = parameter.domain
        if isinstance(domain, ListedDomain):
            number = int(trial.suggest_categorical(parameter.path, range(len(domain.values))))
            return domain.nth(number)  # type: ignore[no-any-return]
        return domain.from_unit(trial.suggest_float(parameter.path, 0.0, 1.0))  # type: ignore[no-any-return]

    return compose(space, suggested)


def as_trials(space: Mapping[str, Any], observations: Iterable[Observation]) -> "list[optuna.trial.FrozenTrial]":
    """The trials of Optuna for observations."""
    trial_of = _conversion(space)
    return [trial_of(one, ()) for one in observations]


def as_trials_of_losses(
    space: Mapping[str, Any], observations: Sequence[Observation]
) -> "list[optuna.trial.FrozenTrial]":
    """The observations of several losses as trials of Optuna, with violations where some exceed a bound."""
    limited, trial_of = bounded(observations), _conversion(space)
    return [
        trial_of(one, one.losses, one.violation if limited else None) if one.state == "known" else trial_of(one, ())
        for one in observations
    ]


def _conversion(space: Mapping[str, Any]) -> "Callable[..., optuna.trial.FrozenTrial]":
    """A function that converts an observation with its losses, and its violation if there are bounds.

    An observation keeps its trial, because each draw learns from up to a thousand observations.
    """
    from optuna.trial import FrozenTrial, TrialState

    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": TrialState.RUNNING, "failed": TrialState.PRUNED, "known": TrialState.COMPLETE}
    distributions = {
        parameter.path: _distribution(
            len(parameter.domain.values) if isinstance(parameter.domain, ListedDomain) else None
        )
        for parameter in drawn_parameters(space)
    }
    of_paths: dict[tuple[str, ...], Any] = {}

    def trial_of(one: Observation, losses: Sequence[float], violation: float | None = None) -> FrozenTrial:
        content = one.state, one.loss, losses, violation
        kept = one.of_config.get("optuna")
        if kept is not None and kept[0] is space and kept[1] == content:
            return kept[2]  # type: ignore[no-any-return]
        params = kept[2].params if kept is not None and kept[0] is space else _parameters(space, one.config)
        paths = tuple(params)
        trial = FrozenTrial(
            number=0,
            trial_id=0,
            state=states[one.state],
            value=None if losses else one.loss,
            values=losses or None,
            datetime_start=None,
            datetime_complete=None,
            params=params,
            distributions=of_paths.setdefault(paths, {path: distributions[path] for path in paths}),
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        if violation is not None:
            trial.set_constraint("violation", violation)
        one.of_config["optuna"] = space, content, trial
        return trial

    return trial_of


@cache
def _distribution(values: int | None) -> "optuna.distributions.BaseDistribution":
    """The distribution of a parameter with this many listed values, or of a number; one object for all trials."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    return FloatDistribution(0.0, 1.0) if values is None else CategoricalDistribution(range(values))


def _parameters(space: Mapping[str, Any], config: Config) -> dict[str, Any]:
    params: dict[str, Any] = {}

    def note(parameter: ParameterPath) -> Value:
        domain, value = parameter.domain, config[parameter.name]
        params[parameter.path] = domain.number(value) if isinstance(domain, ListedDomain) else domain.to_unit(value)
        return value

    compose(space, note)
    return params


def tpe_sampler(seed: int, candidates: int) -> Any:
    """Optuna's tree-structured Parzen estimator, which draws from the first trial that it is given."""
    import optuna

    return optuna.samplers.TPESampler(
        seed=seed,
        n_startup_trials=1,
        n_ei_candidates=candidates,
        multivariate=True,
        group=True,
        constant_liar=True,
    )
