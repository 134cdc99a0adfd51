"""A study's trials: their order, one by its id, their configs, what they reached in all objectives, and the front."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import JobNotFound
from pipeline.pareto import non_dominated
from pipeline.results.tables.load import Results, as_frame, cache_per_results
from pipeline.space import Config, Space, Value, config_value, listed_values
from pipeline.storage import tables
from pipeline.storage.schema import TABLES, metric_column
from pipeline.study.studies import as_argument

if TYPE_CHECKING:
    import pandas as pd

FRONT = "front"
"""The column that says which trials are on the front of several objectives."""

_SHOWN = 12
"""If there are more ids, messages name the first and the last."""


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def ranked(results: Results) -> list[str]:
    """The trial ids, the best first, in the order of `pipeline.study.ranking`."""
    ids: list[str] = results.query("select trial_id from ranked order by place")["trial_id"].to_pylist()
    return ids


def trial_row(results: Results, trial_id: str) -> Mapping[str, Any]:
    """A trial's row of the table `trials`."""
    trials = results.table("trials")
    for row in trials.filter(pc.equal(trials["trial_id"], trial_id)).to_pylist():
        found: Mapping[str, Any] = row
        return found
    raise JobNotFound(f"The study {results.name!r} has no trial {trial_id!r}. {trials_in_words(results)}")


def trials_in_words(results: Results) -> str:
    """Which trials a study has, and how a command names one, in sentences."""
    ids = results.table("trials")["trial_id"].to_pylist()
    if not ids:
        return "There is none yet."
    listed = ", ".join(ids) if len(ids) <= _SHOWN else f"{len(ids)} trials, {ids[0]} to {ids[-1]}"
    number = f", or its number, {int(ids[-1])}" if ids[-1].isdigit() else ""
    return (
        f"Available: {listed}; `tunepipe results {as_argument(results.location)}` shows the best of them. A trial is "
        f"named by its id, {ids[-1]}{number}."
    )


def configs_at_best(results: Results, only: Sequence[str] | None = None) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one."""
    trials = results.table("trials")
    if only is not None:
        trials = trials.filter(pc.is_in(trials["trial_id"], value_set=pa.array(list(only), pa.string())))
    return dict(zip(trials["trial_id"].to_pylist(), configs_of(trials, results.space), strict=True))


def configs_of(rows: "pa.Table | pd.DataFrame", space: Space) -> list[Config]:
    """The config in the config_* columns of each row, each value as it was drawn; empty ones are left out."""
    arrow = isinstance(rows, pa.Table)
    columns = rows.column_names if arrow else rows.columns
    configs: list[Config] = [{} for _ in range(len(rows))]
    for name, domain in space.items():
        if (column := f"config_{name}") not in columns:
            continue
        listed, meant = listed_values(domain), dict[Any, Value]()
        values = rows[column].to_pylist() if arrow else rows[column].tolist()
        for config, value in zip(configs, values, strict=True):
            # NaN differs from itself, and pandas' NA does not say whether it does.
            if value is None or (value != value) is not False:
                continue
            # Each kind of value is looked for once: there are as many as the domain has.
            if listed is not None and (key := (type(value), value)) not in meant:
                meant[key] = config_value(value, listed)
            config[name] = value if listed is None else deepcopy(meant[key])
    return configs


def given(values: "pd.Series") -> npt.NDArray[np.bool_]:
    """A mask of the values that are present: NaN stands for none, and None is a value like any other."""
    column = values.to_numpy(object)
    return np.asarray(column == column, np.bool_)


def objective_column(metric: str, results: Results) -> str:
    """The column of a study's `epochs` that an objective is read from."""
    return tables.objective_column(metric, results.table("epochs").schema) or metric_column(metric)


def objective_columns(results: Results) -> dict[str, str]:
    """The columns in which `pipeline.results.tables.sql` has a study's objectives, by metric."""
    first, *others = [objective.metric for objective in results.objectives]
    columns, taken = {first: "objective"}, {*(column.name for column in TABLES["trials"]), FRONT}
    for metric in others:
        name = objective_column(metric, results)
        while name in taken:
            name = f"metric_{name}"
        columns[metric] = name
        taken.add(name)
    return columns


@cache_per_results
def values_at_best(results: Results) -> pa.Table:
    """Each trial's value of every objective at its best epoch, in columns 0, 1, …; in the order of `trials`."""
    columns, known = [], results.table("epochs").column_names
    for place, objective in enumerate(results.objectives):
        column = objective_column(objective.metric, results)
        source = f"cast(e.{quoted(column)} as double)" if column in known else "cast(null as double)"
        columns.append(f'case when t.best_epoch is not null then {source} end as "{place}"')
    return results.query(
        f"select t.trial_id, {', '.join(columns)} from trials t left join epochs e "
        "on e.trial_id = t.trial_id and e.epoch = t.best_epoch "
        "qualify row_number() over (partition by t.trial_id) = 1 "
        f"order by {tables.DRAW_ORDER.replace('trial_id', 't.trial_id')}"
    )


def objective_values(results: Results) -> "pd.DataFrame":
    """Each trial's value of every objective at its best epoch in the first one."""
    frame = as_frame(values_at_best(results)).set_index("trial_id")
    return frame.set_axis([objective.metric for objective in results.objectives], axis=1)


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A trial on the front."""

    trial_id: str
    epoch: int
    values: Mapping[str, float]


def on_front(values: npt.NDArray[np.float64], modes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every objective and better in one."""
    return non_dominated(values * np.array([-1.0 if mode == "max" else 1.0 for mode in modes]))


def pareto_front(results: Results) -> list[FrontPoint]:
    """The trials on the front of a study's objectives, the best in the first one first.

    Failed trials are not on it, nor are those beyond a bound.
    """
    trials, objectives, at_best = results.table("trials"), results.objectives, values_at_best(results)
    columns = [at_best[str(place)].to_numpy(zero_copy_only=False) for place in range(len(objectives))]
    values = np.column_stack(columns).astype(float)
    usable = pc.and_(pc.not_equal(trials["state"], "failed"), pc.equal(trials["violation"], 0.0))
    values[~np.asarray(pc.fill_null(usable, False), np.bool_)] = np.nan
    undominated = np.flatnonzero(on_front(values, [objective.mode for objective in objectives]))
    metrics = [objective.metric for objective in objectives]
    places = {trial: at for at, trial in enumerate(ranked(results))}
    rows = trials.select(["trial_id", "best_epoch"]).take(pa.array(undominated)).to_pylist()
    points = [
        FrontPoint(row["trial_id"], row["best_epoch"], dict(zip(metrics, own, strict=True)))
        for row, own in zip(rows, values[undominated].tolist(), strict=True)
    ]
    return sorted(points, key=lambda point: places[point.trial_id])
