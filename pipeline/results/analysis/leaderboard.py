"""The leaderboard as data: its columns and its rows, which the terminal, a notebook and the page render."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.parameters import shown_parameters, tuned
from pipeline.results.tables.front import objective_values, pareto_front
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import best_rows, configs_at_best, ranked
from pipeline.space import Config

_FIELDS = ["state", "epochs", "seconds", "objective", "best_epoch"]
"""The columns of `trials` that the leaderboard shows next to the ids, in addition to those of the best epochs."""

MAX_PARAMETERS = 30
"""The maximum number of hyperparameters in a leaderboard of a page: nobody scrolls through hundreds of columns."""

_Record = tuple[str, int, float, float | None, int | None]
"""A row of these columns."""


class LeaderboardColumn(NamedTuple):
    """A column by its kind and its name: a parameter may have the name of a metric."""

    kind: Literal["fixed", "metric", "front", "config"]
    name: str


TRIAL, AT_EPOCH = LeaderboardColumn("fixed", "trial"), LeaderboardColumn("fixed", "at epoch")
EPOCHS, SECONDS = LeaderboardColumn("fixed", "epochs"), LeaderboardColumn("fixed", "seconds")
STATE, FRONT = LeaderboardColumn("fixed", "state"), LeaderboardColumn("front", "front")


@dataclass(frozen=True, slots=True)
class LeaderboardRow:
    """A trial on the leaderboard."""

    trial_id: str
    state: str
    best: bool
    values: Mapping[LeaderboardColumn, Any]


def columns(results: Results, most: int | None = None) -> list[LeaderboardColumn]:
    """The leaderboard's columns, in order."""
    first, *others = (LeaderboardColumn("metric", objective.metric) for objective in results.objectives)
    drawn = [
        LeaderboardColumn("config", name)
        for name in (tuned(results) if most is None else shown_parameters(results, most))
    ]
    return [TRIAL, first, AT_EPOCH, EPOCHS, SECONDS, STATE, *others, *([FRONT] if others else []), *drawn]


class Leaderboard:
    """A study's leaderboard. Data that all rows need are computed once, each row on demand."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._best_rows, self._others = best_rows(results), _other_objectives(results)
        self._metric = LeaderboardColumn("metric", results.objective.metric)
        self._parameters = {name: LeaderboardColumn("config", name) for name in results.space}

    def rows(
        self, *, top: int | None = None, only: Sequence[str] | None = None, in_order: bool = False
    ) -> list[LeaderboardRow]:
        """The rows, the best trial first."""
        results, trials = self._results, self._results.table("trials").select(["trial_id", *_FIELDS])
        wanted = set(only) if only is not None else None
        order = list(only) if only is not None and in_order else ranked(results)
        shown = [trial for trial in order if wanted is None or trial in wanted][:top]
        # To look up each of ten thousand ids takes longer than to read all rows.
        few = len(shown) < trials.num_rows
        if few:
            trials = trials.filter(pc.is_in(trials["trial_id"], value_set=pa.array(shown, pa.string())))
        records = dict(zip(trials["trial_id"].to_pylist(), _records(trials), strict=True))
        configs = configs_at_best(results, shown if few else None, self._best_rows)
        return [self._row(trial, records[trial], configs[trial]) for trial in shown]

    def _row(self, trial: str, record: _Record, config: Config) -> LeaderboardRow:
        best, (state, epochs, seconds, objective, best_epoch) = self._results.best, record
        values: dict[LeaderboardColumn, Any] = {TRIAL: trial, STATE: state, EPOCHS: epochs, SECONDS: seconds}
        if objective is not None:
            values[self._metric], values[AT_EPOCH] = objective, best_epoch
        if trial in self._others:
            values |= self._others[trial]
        for name, value in config.items():
            values[self._parameters[name]] = value
        return LeaderboardRow(trial, state, best is not None and trial == best.trial_id, values)


def rows(
    results: Results, *, top: int | None = None, only: Sequence[str] | None = None, in_order: bool = False
) -> list[LeaderboardRow]:
    """The leaderboard's rows, the best trial first."""
    return Leaderboard(results).rows(top=top, only=only, in_order=in_order)


def _records(trials: pa.Table) -> Iterator[_Record]:
    """The rows of `_FIELDS`, column by column, which is faster than as dictionaries."""
    return zip(*(trials[name].to_pylist() for name in _FIELDS), strict=True)


def _other_objectives(results: Results) -> dict[str, dict[LeaderboardColumn, Any]]:
    """The columns of the objectives after the first, by trial; empty if there is one objective."""
    if len(results.objectives) < 2:
        return {}
    table, front = objective_values(results), {point.trial_id for point in pareto_front(results)}
    metrics = [LeaderboardColumn("metric", str(name)) for name in table.columns[1:]]
    return {
        str(trial): {
            FRONT: trial in front,
            **{column: value for column, value in zip(metrics, row[1:], strict=True) if value == value},
        }
        for trial, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    }
