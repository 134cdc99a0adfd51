"""Searchers that do not learn: random, grid and Sobol search."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from pipeline.errors import Fault
from pipeline.searchers.base import AnySpace, History, SearcherSettings, Suggestion, draw_generator
from pipeline.space import CountableDomain, combination, combinations, compose, draw, drawn_parameters


@dataclass(frozen=True)
class RandomSearch(SearcherSettings):
    """Every config is drawn independently; hyperparameters with a Grid take their values in turn."""

    title: ClassVar[str] = "random search"
    kind: Literal["random"] = field(default="random", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        return Suggestion(draw(space, draw_generator(seed, index), index))


@dataclass(frozen=True)
class GridSearch(SearcherSettings):
    """Every combination of the values of the space, the last hyperparameter fastest.

    Each hyperparameter needs a finite number of values: Grid, Choice, IntUniform, QUniform, Switch, or a fixed value.
    Each branch of a Switch is combined with its own hyperparameters alone.
    """

    title: ClassVar[str] = "grid search"
    kind: Literal["grid"] = field(default="grid", repr=False)

    def faults(self, space: AnySpace) -> list[Fault]:
        endless = ", ".join(p.path for p in drawn_parameters(space) if not isinstance(p.domain, CountableDomain))
        allowed = (
            f"grid search needs a finite number of values for every hyperparameter: use Grid, Choice, IntUniform, "
            f"QUniform, or a fixed value for {endless}"
        )
        return [Fault("searcher", self.kind, allowed)] if endless else []

    def size(self, space: AnySpace) -> int | None:
        return combinations(space)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        # After the last combination the first follows again.
        return Suggestion(combination(space, index))


@dataclass(frozen=True)
class SobolSearch(SearcherSettings):
    """The points of a scrambled Sobol sequence; most even if their number is a power of two.

    Each hyperparameter has its own dimension, including those in branches; config i is point i of the seed's sequence.
    (Sobol 1967, scrambled as in Owen 1998.)
    """

    title: ClassVar[str] = "Sobol search"
    kind: Literal["sobol"] = field(default="sobol", repr=False)

    def suggest(self, space: AnySpace, *, seed: int, index: int, history: History, epochs: int) -> Suggestion:
        from scipy.stats import qmc

        paths = [parameter.path for parameter in drawn_parameters(space)]
        if not paths:
            return Suggestion(dict(space))
        sequence = qmc.Sobol(len(paths), rng=seed, bits=32)
        if index:  # SciPy 1.17 cannot fast-forward by 0.
            sequence.fast_forward(index)
        units = dict(zip(paths, sequence.random(1)[0].tolist(), strict=True))
        return Suggestion(compose(space, lambda parameter: parameter.domain.from_unit(units[parameter.path])))
