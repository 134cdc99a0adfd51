"""Searchers that draw by Optuna's samplers: TPE, TPE for several objectives, and NSGA-II.

A study of Optuna is made for each draw, with the observations as its trials; it prints and stores nothing.
"""

import math
import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

import numpy as np
from pydantic import Field

from pipeline.searchers.base import (
    AnySpace,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    draw_generator,
    units_of,
)
from pipeline.searchers.one_rung import EARLY, at_one_rung
from pipeline.space import (
    Config,
    Count,
    Cube,
    ListedDomain,
    ParameterPath,
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
class _ParzenSearch(SearcherSettings):
    """Settings of a search by the tree-structured Parzen estimator.

    Args:
        startup: Number of configs that are drawn at random first, as in random search.
        candidates: Number of draws from which the best is taken.
    """

    learns: ClassVar[bool] = True

    startup: Count = 10
    candidates: Count = 24

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        import optuna

        # The best few make the density of good configs, the others that of poor ones.
        learned = history.chosen(best=0 if self.every_objective else _BEST)
        rng = draw_generator(seed, index)
        before, early = at_one_rung(space, learned, epochs=epochs, startup=self.startup)
        if sum(one.state == "known" for one in before) < self.startup:
            return Suggestion(draw(space, rng, index))
        if early and index % 2:
            return Suggestion(draw(space, rng, index), EARLY)
        with _quiet():
            sampler = optuna.samplers.TPESampler(
                seed=int(rng.integers(2**31)),
                n_startup_trials=1,
                n_ei_candidates=self.candidates,
                multivariate=True,
                group=True,
                constant_liar=True,
            )
        first = [(one, [] if one.loss is None else [one.loss], 0.0) for one in before]
        rows = _ranked(_of_all_objectives(before)) if self.every_objective else first
        return Suggestion(sampled(space, sampler, _trials(space, rows)))


@dataclass(frozen=True)
class TPESearch(_ParzenSearch):
    """Draws configs where good ones are dense and poor ones are rare; suited to conditional spaces and choices.

    The tree-structured Parzen estimator (Bergstra et al. 2011, Watanabe 2023). As long as trials are compared before
    their last epoch, every second config is drawn at random.
    """

    title: ClassVar[str] = "TPE"
    kind: Literal["tpe"] = field(default="tpe", repr=False)


@dataclass(frozen=True)
class MOTPESearch(_ParzenSearch):
    """TPE for several objectives: draws configs where those on the front are dense, within the objectives' bounds.

    Trials on early fronts that add most to the hypervolume count as good (Ozaki et al. 2022); losses are ranks, so
    units do not matter. As long as trials are compared before their last epoch, every second config is drawn at random.
    """

    title: ClassVar[str] = "TPE for several objectives"
    every_objective: ClassVar[bool] = True
    kind: Literal["motpe"] = field(default="motpe", repr=False)


@dataclass(frozen=True)
class NSGA2Search(SearcherSettings):
    """Crosses configs of the first fronts, and mutates them; for several objectives, and for hundreds of trials.

    NSGA-II (Deb et al. 2002). Parents are the best `population` of the earlier trials, by non-dominated sorting, then
    by crowding distance; those within the objectives' bounds come first. Of more than 1,000 trials, an even sample is
    used. Each trial counts as soon as it has values: there is no wait for a whole generation. It learns about the
    hyperparameters that every config has; those in branches of switches are drawn at random.

    Args:
        population: Number of parents, and of configs that are drawn at random first.
    """

    title: ClassVar[str] = "NSGA-II"
    learns: ClassVar[bool] = True
    every_objective: ClassVar[bool] = True

    population: Annotated[Whole, Field(ge=2, lt=2**31)] = 16
    kind: Literal["nsga2"] = field(default="nsga2", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        rng = draw_generator(seed, index)
        before, _ = at_one_rung(space, history.chosen(), epochs=epochs, startup=self.population)
        known = [one for one in before if one.state == "known"]
        if len(known) < self.population:
            return Suggestion(draw(space, rng, index))
        import optuna

        class OfAllTrials(optuna.samplers.NSGAIISampler):
            """Takes all trials as the generation before."""

            def get_trial_generation(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> int:
                return 1

            def get_population(self, study: optuna.Study, generation: int) -> list[optuna.trial.FrozenTrial]:
                return study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.COMPLETE])

        sampler = OfAllTrials(population_size=self.population, seed=int(rng.integers(2**31)))
        return Suggestion(sampled(space, sampler, _trials(space, _of_all_objectives(known))))


def _quiet() -> warnings.catch_warnings:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return warnings.catch_warnings(action="ignore", category=optuna.exceptions.ExperimentalWarning)


def sampled(
    space: AnySpace, sampler: "optuna.samplers.BaseSampler", known: "Sequence[optuna.trial.FrozenTrial]"
) -> Config:
    """The config that one of Optuna's samplers suggests after earlier trials."""
    import optuna

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


_Row: TypeAlias = tuple[Observation, Sequence[float], float]
"""An observation with its losses and its violation."""


def _of_all_objectives(observations: Sequence[Observation]) -> list[_Row]:
    return [(one, one.losses or ([] if one.loss is None else [one.loss]), one.violation) for one in observations]


def _ranked(rows: Sequence[_Row]) -> list[_Row]:
    """The rows with losses as ranks from 0 to 1 in each objective, which do not depend on units."""
    values = np.array([losses for one, losses, _ in rows if one.state == "known"])
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(np.float64)
    places = iter((ranks / np.maximum(ranks.max(axis=0), 1.0)).tolist())
    return [(one, next(places) if one.state == "known" else losses, bad) for one, losses, bad in rows]


def _trials(space: AnySpace, rows: Sequence[_Row]) -> "list[optuna.trial.FrozenTrial]":
    """Observations as trials of Optuna, whose parameters are numbers from 0 to 1, or numbers of listed values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.trial import FrozenTrial, TrialState

    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": TrialState.RUNNING, "failed": TrialState.PRUNED, "known": TrialState.COMPLETE}
    drawn = drawn_parameters(space)
    sizes = [len(each.domain.values) if isinstance(each.domain, ListedDomain) else 0 for each in drawn]
    kinds = [CategoricalDistribution(range(size)) if size else FloatDistribution(0.0, 1.0) for size in sizes]
    units = units_of(Cube(space), [one for one, *_ in rows]).tolist()
    bounded = any(violation > 0 for *_, violation in rows)
    trials = []
    for number, ((one, losses, violation), row) in enumerate(zip(rows, units, strict=True), 1):
        there = [side for side, unit in enumerate(row) if not math.isnan(unit)]
        trial = FrozenTrial(
            number=number,  # The study's own trial is number 0.
            trial_id=0,
            state=states[one.state],
            value=None,
            values=losses if one.state == "known" else None,
            datetime_start=None,
            datetime_complete=None,
            params={drawn[side].path: int(row[side] * sizes[side]) if sizes[side] else row[side] for side in there},
            distributions={drawn[side].path: kinds[side] for side in there},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        if bounded and one.state == "known":
            trial.set_constraint("violation", violation)
        trials.append(trial)
    return trials
