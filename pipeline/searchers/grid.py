"""Grid search: every combination once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from pipeline.errors import Fault
from pipeline.searchers.base import Observation, SearcherSettings
from pipeline.space import Config, CountableDomain, combination, combinations, drawn_parameters, number_of
from pipeline.wording import by_count


@dataclass(frozen=True)
class GridSearch(SearcherSettings):
    """Every combination of the values of the space, the last hyperparameter fastest.

    Each hyperparameter needs a finite number of values: Grid, Choice, IntUniform, QUniform, Switch, or a fixed value.
    Each branch of a Switch is combined with its own hyperparameters alone.
    """

    title: ClassVar[str] = "grid search"
    kind: Literal["grid"] = field(default="grid", repr=False)

    def faults(self, space: Mapping[str, Any]) -> list[Fault]:
        """Names the hyperparameters that have infinitely many values."""
        endless = [p.path for p in drawn_parameters(space) if not isinstance(p.domain, CountableDomain)]
        if not endless:
            return []
        names, has = ", ".join(endless), by_count(len(endless), "has", "have")
        allowed = (
            f"grid search needs a finite number of values for every hyperparameter, and {names} {has} infinitely many: "
            "use Grid, Choice, IntUniform, QUniform, or a fixed value"
        )
        return [Fault("searcher", self.kind, allowed)]

    def size(self, space: Mapping[str, Any]) -> int | None:
        """The number of combinations."""
        return combinations(space)

    def number_of(self, space: Mapping[str, Any], config: Config) -> int:
        """The number of the combination."""
        return number_of(space, config)

    def draw(
        self, space: Mapping[str, Any], *, seed: int, index: int, observations: Iterable[Observation] = ()
    ) -> Config:
        """A combination; after the last one the first follows again."""
        return combination(space, index)
