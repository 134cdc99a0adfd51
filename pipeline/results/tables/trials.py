"""Rows of the table `trials`: one by its id, all of them the best first, and the config at each one's best epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import JobNotFound
from pipeline.results.tables.configs import configs_of
from pipeline.results.tables.load import Results, rank_order
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.results.tables.unique_rows import reals
from pipeline.space import Config
from pipeline.study.studies import as_argument


def ranked(results: Results) -> list[str]:
    """The trial ids, the best first, in the order of `pipeline.study.ranking`."""
    trials = results.table("trials")
    order = rank_order(trials, results.objective)
    ids: list[str] = trials["trial_id"].take(pa.array(order)).to_pylist()
    return ids


@cache_per_results
def trials_of_epochs(results: Results) -> npt.NDArray[np.int64]:
    """Where in `results.trials` the trial of each epoch is."""
    trials, epochs = results.table("trials"), results.table("epochs")
    places = pc.index_in(epochs["trial_id"], value_set=trials["trial_id"].combine_chunks())
    return np.asarray(pc.fill_null(places, -1), np.int64)


@cache_per_results
def best_rows(results: Results) -> npt.NDArray[np.int64]:
    """Where in `results.epochs` the best epoch of each trial is."""
    trials, epochs = results.table("trials"), results.table("epochs")
    best, epoch = reals(trials["best_epoch"]), np.asarray(epochs["epoch"], np.int64)
    at, places = trials_of_epochs(results), np.full(trials.num_rows, -1, np.int64)
    rows = np.flatnonzero(at >= 0)
    own = rows[best[at[rows]] == epoch[rows]]
    places[at[own]] = own
    return places


def configs_at_best(
    results: Results, only: Sequence[str] | None = None, rows: npt.NDArray[np.int64] | None = None
) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one."""
    trials, space, epochs = results.table("trials"), results.space, results.table("epochs")
    rows = best_rows(results) if rows is None else rows
    if only is not None:
        meant = pc.is_in(trials["trial_id"], value_set=pa.array(list(only), pa.string()))
        trials, rows = trials.filter(meant), rows[np.asarray(meant, np.bool_)]
    has_best = rows >= 0
    columns = [name for name in epochs.column_names if name.startswith("config_")]
    # A table without columns has no rows, and the trials of a job without hyperparameters have configs, too.
    known = iter(configs_of(epochs.select(["trial_id", *columns]).take(pa.array(rows[has_best])), space))
    now = iter(configs_of(trials.filter(pa.array(~has_best)), space))
    ids = trials["trial_id"].to_pylist()
    return {trial: next(known if recorded else now) for trial, recorded in zip(ids, has_best.tolist(), strict=True)}


_SHOWN = 12
"""If there are more ids, messages name the first and the last."""


def trial_row(results: Results, trial_id: str) -> Mapping[Any, Any]:
    """A trial's row of the table `trials`."""
    matching = results.trials[results.trials["trial_id"] == trial_id].to_dict("records")
    if matching:
        return matching[0]
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
