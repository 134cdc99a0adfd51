"""Searchers that draw by Optuna's samplers: TPE, TPE for several objectives, and NSGA-II.

A study of Optuna is made for each draw, with the observations as its trials; it prints and stores nothing.
"""

import warnings
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from pipeline.searchers.base import History, Observation, SearcherSettings, Suggestion, draw_generator
from pipeline.searchers.one_rung import (
    EARLY,
    RANDOM_EVERY,
    at_one_rung,
    has_rungs,
    is_random,
    losses_at_one_rung,
    ranked,
)
from pipeline.space import (
    Config,
    Count,
    ListedDomain,
    ParameterPath,
    Real,
    Value,
    Whole,
    compose,
    draw,
    drawn_parameters,
)

if TYPE_CHECKING:
    import optuna

_BEST = 100
"""More than the configs that TPE counts as good, which are at most 25."""


@dataclass(frozen=True)
class TPESearch(SearcherSettings):
    """Draws configs where good ones are dense and poor ones are rare; suited to conditional spaces and choices.

    The tree-structured Parzen estimator (Bergstra et al. 2011, Watanabe 2023). As long as trials are compared before
    their last epoch, every second config is drawn at random.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of draws from which the best is taken.
    """

    title: ClassVar[str] = "TPE"
    learns: ClassVar[bool] = True

    startup: Count = 10
    candidates: Count = 24

    kind: Literal["tpe"] = field(default="tpe", repr=False)

    def suggest(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation], epochs: int
    ) -> Suggestion:
        # The best few make the density of good configs, the others that of poor ones.
        learned = History.of(observations).chosen(best=_BEST)
        rng, before = draw_generator(seed, index), at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        if sum(one.state == "known" for one in before) < self.startup:
            return Suggestion(draw(space, rng, index))
        if is_random(space, learned, index=index, epochs=epochs, startup=self.startup):
            return Suggestion(draw(space, rng, index), EARLY)
        trial_of = conversion(space)
        trials = [trial_of(one, ()) for one in before]
        return Suggestion(sampled(space, _tpe_sampler(int(rng.integers(2**31)), self.candidates), trials))


@dataclass(frozen=True)
class MOTPESearch(SearcherSettings):
    """TPE for several objectives: draws configs where those on the front are dense, within the objectives' bounds.

    Trials on early fronts that add most to the hypervolume count as good (Ozaki et al. 2022); losses are ranks, so
    units do not matter. Under a scheduler with rungs, every second config is drawn at random.

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
        learned = History.of(observations).chosen()
        rng, before = draw_generator(seed, index), ranked(losses_at_one_rung(space, learned, startup=self.startup))
        known = sum(one.state == "known" for one in before)
        if known < self.startup or (has_rungs(learned) and index % RANDOM_EVERY == RANDOM_EVERY - 1):
            return draw(space, rng, index)
        sampler = _tpe_sampler(int(rng.integers(2**31)), self.candidates)
        return sampled(space, sampler, trials_of_losses(space, before))


@dataclass(frozen=True)
class NSGA2Search(SearcherSettings):
    """Crosses configs of the first fronts, and mutates them; for several objectives, and for hundreds of trials.

    NSGA-II (Deb et al. 2002). Parents are the best `population` of the earlier trials, by non-dominated sorting, then
    by crowding distance; those within the objectives' bounds come first. Of more than 1,000 trials, an even sample is
    used. Each trial counts as soon as it has values: there is no wait for a whole generation. It learns about the
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
        learned = History.of(observations).chosen()
        rng, before = draw_generator(seed, index), losses_at_one_rung(space, learned, startup=self.population)
        known = [one for one in before if one.state == "known"]
        if len(known) < self.population:
            return draw(space, rng, index)
        import optuna

        class OfAllTrials(optuna.samplers.NSGAIISampler):
            """Takes all trials as the generation before."""

            def get_trial_generation(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> int:
                return 1

            def get_population(self, study: optuna.Study, generation: int) -> list[optuna.trial.FrozenTrial]:
                return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])

        seed_of_draw = int(rng.integers(2**31))
        sampler = OfAllTrials(population_size=self.population, crossover_prob=self.crossover, seed=seed_of_draw)
        return sampled(space, sampler, trials_of_losses(space, known))


def _tpe_sampler(seed: int, candidates: int) -> "optuna.samplers.TPESampler":
    import optuna

    with _quiet():
        return optuna.samplers.TPESampler(
            seed=seed,
            n_startup_trials=1,
            n_ei_candidates=candidates,
            multivariate=True,
            group=True,
            constant_liar=True,
        )


def _quiet() -> warnings.catch_warnings:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning)


def sampled(
    space: Mapping[str, Any], sampler: "optuna.samplers.BaseSampler", known: "Sequence[optuna.trial.FrozenTrial]"
) -> Config:
    """The config that one of Optuna's samplers suggests after earlier trials."""
    import optuna

    for number, trial in enumerate(known, 1):  # The study's own trial is number 0.
        trial.number = number

    class WithKnownTrials(optuna.storages.InMemoryStorage):
        """Has the known trials before those of its study: to add them to a study, Optuna would copy each."""

        def get_all_trials(
            self, study_id: int, deepcopy: bool = True, states: Container[optuna.trial.TrialState] | None = None
        ) -> list[optuna.trial.FrozenTrial]:
            own = super().get_all_trials(study_id, deepcopy, states)
            return [trial for trial in known if states is None or trial.state in states] + own

    losses = max((len(trial.values) for trial in known if trial.values), default=1)
    with _quiet():
        study = optuna.create_study(storage=WithKnownTrials(), sampler=sampler, directions=["minimize"] * losses)
        drawn = study.ask()

    def suggested(parameter: ParameterPath) -> Value:
        domain = parameter.domain
        if isinstance(domain, ListedDomain):
            number = int(drawn.suggest_categorical(parameter.path, range(len(domain.values))))
            return domain.nth(number)  # type: ignore[no-any-return]
        return domain.from_unit(drawn.suggest_float(parameter.path, 0.0, 1.0))  # type: ignore[no-any-return]

    with _quiet():
        return compose(space, suggested)


def trials_of_losses(space: Mapping[str, Any], observations: Sequence[Observation]) -> "list[optuna.trial.FrozenTrial]":
    """The observations of several losses as trials of Optuna, with violations where some exceed a bound."""
    limited, trial_of = any(one.violation > 0 for one in observations), conversion(space)
    return [
        trial_of(one, one.losses, one.violation if limited else None) if one.state == "known" else trial_of(one, ())
        for one in observations
    ]


def conversion(space: Mapping[str, Any]) -> "Callable[..., optuna.trial.FrozenTrial]":
    """A function that converts an observation with its losses, and its violation if there are bounds.

    Parameters are numbers from 0 to 1, or numbers of listed values. An observation keeps its trial, because each draw
    learns from up to a thousand observations.
    """
    from optuna.trial import FrozenTrial, TrialState

    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": TrialState.RUNNING, "failed": TrialState.PRUNED, "known": TrialState.COMPLETE}
    distributions = {
        each.path: _distribution(len(each.domain.values) if isinstance(each.domain, ListedDomain) else None)
        for each in drawn_parameters(space)
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
    return {
        each.path: (each.domain.number if isinstance(each.domain, ListedDomain) else each.domain.to_unit)(
            config[each.name]
        )
        for each in drawn_parameters(space)
        if each.is_present(config)
    }
