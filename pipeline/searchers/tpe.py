"""The tree-structured Parzen estimator (TPE), for one objective and for several, by Optuna's sampler.

A study of Optuna is made for each draw, with the observations as its trials; it prints and stores nothing.
"""

import math
import warnings
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from pipeline.searchers.base import (
    EARLY,
    AnySpace,
    History,
    Observation,
    SearcherSettings,
    Suggestion,
    at_one_rung,
    draw_generator,
    units_of,
)
from pipeline.space import Config, Count, Cube, ListedDomain, ParameterPath, Value, compose, draw, drawn_parameters

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
        losses = _ranks(before) if self.every_objective else [[one.loss or 0.0] for one in before]
        return Suggestion(sampled(space, sampler, _trials(space, before, losses)))


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


def _ranks(observations: Sequence[Observation]) -> list[list[float]]:
    """Losses as ranks from 0 to 1 in each objective, which do not depend on units."""
    values = np.array([one.losses or [one.loss or 0.0] for one in observations if one.state == "known"])
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in values.T], axis=1).astype(np.float64)
    places = iter((ranks / np.maximum(ranks.max(axis=0), 1.0)).tolist())
    return [next(places) if one.state == "known" else [] for one in observations]


def _trials(
    space: AnySpace, observations: Sequence[Observation], losses: Sequence[list[float]]
) -> "list[optuna.trial.FrozenTrial]":
    """Observations as trials of Optuna, whose parameters are numbers from 0 to 1, or numbers of listed values."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution
    from optuna.trial import FrozenTrial, TrialState

    # A trial that was pruned without any value is the worst to Optuna; one that failed would not count at all.
    states = {"open": TrialState.RUNNING, "failed": TrialState.PRUNED, "known": TrialState.COMPLETE}
    drawn = drawn_parameters(space)
    paths = [each.path for each in drawn]
    sizes = [len(each.domain.values) if isinstance(each.domain, ListedDomain) else 0 for each in drawn]
    kinds = [CategoricalDistribution(range(size)) if size else FloatDistribution(0.0, 1.0) for size in sizes]
    units = units_of(Cube(space), observations).tolist()
    bounded = any(one.violation > 0 for one in observations)
    trials = []
    for number, (one, values, row) in enumerate(zip(observations, losses, units, strict=True), 1):
        there = [side for side, unit in enumerate(row) if not math.isnan(unit)]
        trial = FrozenTrial(
            number=number,  # The study's own trial is number 0.
            trial_id=0,
            state=states[one.state],
            value=None,
            values=values if one.state == "known" else None,
            datetime_start=None,
            datetime_complete=None,
            params={paths[side]: int(row[side] * sizes[side]) if sizes[side] else row[side] for side in there},
            distributions={paths[side]: kinds[side] for side in there},
            user_attrs={},
            system_attrs={},
            intermediate_values={},
        )
        if bounded and one.state == "known":
            trial.set_constraint("violation", one.violation)
        trials.append(trial)
    return trials
