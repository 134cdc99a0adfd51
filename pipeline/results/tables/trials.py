"""A study's trials: the leaderboard, one by its id, configs, the front of several objectives, a start for others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.errors import Fault, InvalidJob, JobNotFound
from pipeline.results.tables.load import Results, cache_per_results, configs_of, load_results
from pipeline.space import Config, Value, drawn_names, key_of, walk
from pipeline.storage import Store, layout, tables
from pipeline.storage.schema import TABLES, metric_column
from pipeline.study import TuneJob
from pipeline.study.files import as_argument
from pipeline.text import counted, note

FRONT = "front"
"""The column that says which trials are on the front of the objectives."""


def quoted(name: str) -> str:
    """A column's name in SQL."""
    return '"' + name.replace('"', '""') + '"'


@cache_per_results
def board(results: Results) -> pa.Table:
    """The table `trials`, the best first, with each trial's `place`, its values of the other objectives at its best
    epoch, and whether it is on the `front`: of those within the bounds that did not fail.
    """
    known, others = results.table("epochs").column_names, list(objective_columns(results).items())[1:]
    sources = {name: objective_column(metric, results) for metric, name in others}
    values = "".join(
        f", {f'e.{quoted(source)}::double' if source in known else 'null::double'} as {quoted(name)}"
        for name, source in sources.items()
    )
    join = "left join epochs e on e.trial_id = r.trial_id and e.epoch = r.best_epoch" if values else ""
    table = results.query(f"select r.*{values} from ranked r {join} order by place")
    columns = [table[name].to_numpy() for name in ("objective", *sources)]
    failed = np.array([state == "failed" for state in table["state"].to_pylist()], bool)
    points = np.column_stack(columns).astype(np.float64)
    points[failed | (table["violation"].to_numpy() != 0)] = np.nan
    front = on_front(points, [objective.mode for objective in results.objectives])
    return table.append_column(FRONT, pa.array(front.tolist(), pa.bool_()))


def trial_row(results: Results, trial_id: str) -> Mapping[str, Any]:
    """A trial's row of the table `trials`."""
    trials = results.table("trials")
    ids = trials["trial_id"].to_pylist()
    if trial_id in ids:
        found: Mapping[str, Any] = trials.slice(ids.index(trial_id), 1).to_pylist()[0]
        return found
    known = f"There are {len(ids)}, {ids[0]} to {ids[-1]}" if ids else "There is none yet"
    raise JobNotFound(
        f"The study {results.name!r} has no trial {trial_id!r}. {known}; `tunepipe results "
        f"{as_argument(results.location)}` shows the best of them. A trial is named by its id or its number."
    )


def configs_at_best(results: Results, only: Sequence[str] | None = None) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one."""
    trials = results.table("trials")
    if only is not None:
        trials = trials.filter(pa.array([trial in only for trial in trials["trial_id"].to_pylist()], pa.bool_()))
    return dict(zip(trials["trial_id"].to_pylist(), configs_of(trials, results.space), strict=True))


def objective_column(metric: str, results: Results) -> str:
    """The column of a study's `epochs` that an objective is read from."""
    return tables.objective_column(metric, results.table("epochs").schema) or metric_column(metric)


def objective_columns(results: Results) -> dict[str, str]:
    """The columns in which `board` has a study's objectives, by metric."""
    first, *others = [objective.metric for objective in results.objectives]
    columns, taken = {first: "objective"}, {*(column.name for column in TABLES["trials"]), "place", FRONT}
    for metric in others:
        name = objective_column(metric, results)
        columns[metric] = f"metric_{name}" if name in taken else name
        taken.add(columns[metric])
    return columns


def on_front(values: npt.NDArray[np.float64], modes: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which points are on the Pareto front: no other is at least as good in every objective and better in one."""
    losses, found = values * np.array([-1.0 if mode == "max" else 1.0 for mode in modes]), np.zeros(len(values), bool)
    finite = np.flatnonzero(np.isfinite(losses).all(axis=1))
    # In this order no point is dominated by a later one.
    points, which = np.unique(losses[finite], axis=0, return_inverse=True)
    left, best = np.arange(len(points)), np.zeros(len(points), bool)
    while len(left):
        best[left[0]] = True
        left = left[(points[left] < points[left[0]]).any(axis=1)]
    found[finite] = best[which.reshape(-1)]
    return found


def pareto_front(results: Results) -> list[dict[str, Any]]:
    """The trials on the front of a study's objectives, the best first: `trial_id`, `epoch` and `values`."""
    found, columns = board(results), objective_columns(results)
    return [
        {
            "trial_id": row["trial_id"],
            "epoch": row["best_epoch"],
            "values": {metric: row[name] for metric, name in columns.items()},
        }
        for row in found.filter(found[FRONT]).to_pylist()
    ]


def warm_start_configs(
    results: Results, space: Mapping[str, Any], top: int, known: Sequence[Mapping[str, Value]]
) -> dict[str, Config]:
    """The best configs of a study by trial, in another one's space: at most `top`, none twice, and none that is known.

    A value outside its domain, or in a branch that is not there, is left out, and drawn instead.
    """
    found, keys, rows = dict[str, Config](), {key_of(dict(config)) for config in known}, board(results)
    for row, theirs in zip(rows.to_pylist(), configs_of(rows, results.space), strict=True):
        if len(found) == top or row["state"] == "failed" or row["objective"] is None:
            break
        config: Config = {}
        for parameter in walk(space):
            name, domain = parameter.name, parameter.domain
            if parameter.drawn and parameter.is_present(config) and name in theirs:
                value = domain.as_drawn(theirs[name])
                config |= {name: value} if domain.contains(value) else {}
        if config and key_of(config) not in keys:
            found[row["trial_id"]] = config
            keys.add(key_of(config))
    return found


def warm_started(job: TuneJob, storage: str | Path, *, always: bool = False) -> TuneJob:
    """A job that begins with the best configs of the study that it starts from.

    It is unchanged where its own study exists, unless `always` is set.
    """
    source = job.start_from
    if source is None or (not always and Store(storage).folder(job.name).exists(layout.STUDY)):
        return job
    results = load_results((Store(source.study) if "/" in source.study else Store(storage).folder(source.study)).uri)
    room = job.budget.trials - len(job.start_with)
    found = warm_start_configs(results, job.space, min(source.top, room), job.start_with)
    if not found and room > 0:
        names = ", ".join(drawn_names(job.space))
        allowed = f"must be a study with values, whose configs are not given yet, with hyperparameters of: {names}"
        raise InvalidJob(f"job {job.name!r}", [Fault("start_from.study", results.name, allowed)])
    of = f": {', '.join(found)}" if found else ""
    note(f"Starts with {counted(len(found), 'config')} of the study {results.name!r}{of} ({source.top} requested).")
    return job.replaced({"start_with": [*job.start_with, *found.values()]})
