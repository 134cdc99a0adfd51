"""How trials and the study's best value develop, by epoch and by time."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from pipeline.results.tables.front import epoch_violations
from pipeline.results.tables.load import Results
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.results.tables.trials import trials_of_epochs
from pipeline.storage.schema import metric_column
from pipeline.storage.sessions import driver_seconds

if TYPE_CHECKING:
    import pandas as pd


def progress(results: Results) -> "pd.DataFrame":
    """How a study's best value grew."""
    import pandas as pd

    epochs, trials = results.epochs, trials_of_epochs(results)
    column, mode = metric_column(results.objective.metric), results.objective.mode
    values = epochs[column].to_numpy(np.float64) if column in epochs else np.full(len(epochs), np.nan)
    failed = np.append(results.trials["state"].eq("failed").to_numpy(), False)
    within = epoch_violations(results) == 0
    values = np.where(np.isfinite(values) & within & ~failed[trials], values, np.nan)
    seconds = alive_seconds(results, epochs)
    order = np.argsort(seconds, kind="stable")
    # If a trial occurs several times, NumPy assigns the last position, here the first row.
    firsts = np.full(len(failed), -1)
    firsts[trials[order][::-1]] = np.arange(len(order))[::-1]
    first = np.zeros(len(order), np.int64)
    first[firsts[firsts >= 0]] = 1
    best = (np.fmax if mode == "max" else np.fmin).accumulate(values[order]) if len(order) else values
    return pd.DataFrame(
        {
            "trial_id": epochs["trial_id"].take(order).array,
            "seconds": seconds[order],
            "epochs": np.arange(1, len(order) + 1),
            "trials": np.cumsum(first),
            "best": best,
        }
    )


@cache_per_results
def reached(results: Results) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What a study's epochs reached, in order of time: those of failed trials, or beyond a bound, are left out."""
    column = metric_column(results.objective.metric)
    failed = set(results.trials.loc[results.trials["state"] == "failed", "trial_id"])
    values = (
        results.epochs[column].to_numpy(np.float64)
        if column in results.epochs
        else np.full(len(results.epochs), np.nan)
    )
    usable = (
        np.isfinite(values) & ~results.epochs["trial_id"].isin(failed).to_numpy() & (epoch_violations(results) == 0)
    )
    seconds, values = alive_seconds(results, results.epochs)[usable], values[usable]
    order = np.argsort(seconds, kind="stable")
    return seconds[order], values[order]


@cache_per_results
def rises(results: Results) -> "pd.DataFrame":
    """The epochs at which a study's best value changed."""
    rows = progress(results).dropna(subset="best")
    return rows[rows["best"].diff().ne(0)]


def train_column(results: Results) -> str | None:
    """The column with the objective's counterpart on the training split; None if there is none."""
    column = metric_column(results.objective.metric)
    other = column.removeprefix("val_")
    return other if other != column and other in results.epochs and results.epochs[other].notna().any() else None


def tracks(
    rows: "pd.DataFrame",
    columns: Sequence[str],
    *,
    by: Sequence[str],
    chosen: Callable[[int], npt.NDArray[np.int64]] = np.arange,
) -> list[npt.NDArray[np.float64]]:
    """Columns of rows as one array for each trial, or for each segment of one."""
    if not len(rows):
        return []
    # Pandas' groupby makes a frame of each: a hundred times as long.
    changes = [np.flatnonzero(rows[name].ne(rows[name].shift()).to_numpy())[1:] for name in by]
    edges = np.concatenate([[0], np.unique(np.concatenate(changes)), [len(rows)]])
    values = rows[list(columns)].to_numpy(np.float64)
    return [values[edges[track] : edges[track + 1]] for track in chosen(len(edges) - 1)]


def alive_seconds(results: Results, rows: "pd.DataFrame") -> np.ndarray:
    """Seconds a driver had been alive when each row was recorded: time between sessions does not count."""
    import pandas as pd

    times, numbers = rows["time"], rows["session"].to_numpy()
    seconds = np.zeros(len(rows))
    for place, session in enumerate(results.sessions):
        mine, before = numbers == session["number"], driver_seconds(results.sessions[:place])
        since = (times[mine] - pd.Timestamp(session["started"])).dt.total_seconds()
        seconds[mine] = before + np.maximum(since.to_numpy(), 0.0)
    return seconds
