"""Rows of the table `trials`: one by its id, all of them the best first, and the config at each one's best epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import JobNotFound
from pipeline.results.tables.configs import configs_of
from pipeline.results.tables.load import Results, rank_order
from pipeline.space import Config
from pipeline.study.studies import called

__all__ = ["best_rows", "configs_at_best", "ranked", "trial_row", "trials_in_words"]


def ranked(results: Results) -> list[str]:
    """The trial ids, the best first, in the order of `pipeline.study.ranking`.

    Args:
        results: A study's results.
    """
    order = rank_order(results.trials, results.objective)
    return [str(trial) for trial in results.trials["trial_id"].to_numpy(object)[order]]


def best_rows(results: Results) -> npt.NDArray[np.int64]:
    """Where in `results.epochs` the best epoch of each trial is.

    Args:
        results: A study's results.

    Returns:
        For each trial, in the order of `results.trials`, the place of a row; -1 for a trial without a best epoch.
    """
    trials, epochs = results.trials, results.epochs
    best = trials["best_epoch"].to_numpy(np.float64, na_value=np.nan)
    # Numbers are compared faster than ids, which are read only of the few rows that remain.
    rows = np.flatnonzero(epochs["epoch"].isin(best[~np.isnan(best)]))
    at = pd.Index(trials["trial_id"]).get_indexer(epochs["trial_id"].take(rows))
    own = (at >= 0) & (best[at] == epochs["epoch"].to_numpy()[rows])
    places = np.full(len(trials), -1, np.int64)
    places[at[own]] = rows[own]
    return places


def configs_at_best(
    results: Results, only: Sequence[str] | None = None, rows: npt.NDArray[np.int64] | None = None
) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one.

    Args:
        results: A study's results.
        only: Ids of the trials that are meant; None for all.
        rows: What `best_rows` gives for the results, where it is known already.
    """
    trials, space, epochs = results.trials, results.space, results.epochs
    rows = best_rows(results) if rows is None else rows
    if only is not None:
        meant = trials["trial_id"].isin(list(only)).to_numpy()
        trials, rows = trials[meant], rows[meant]
    has_best = rows >= 0
    columns = [name for name in epochs.columns if name.startswith("config_")]
    known = configs_of(epochs[columns].take(rows[has_best]), space)
    now = configs_of(trials[~has_best], space)
    ids = trials["trial_id"].to_numpy()
    configs = dict(zip([*ids[has_best], *ids[~has_best]], [*known, *now], strict=True))
    return {str(trial): configs[trial] for trial in ids}


_SHOWN = 12
"""If there are more ids, messages name the first and the last."""


def trial_row(results: Results, trial_id: str) -> Mapping[Any, Any]:
    """A trial's row of the table `trials`.

    Args:
        results: A study's results.
        trial_id: The trial's id.

    Raises:
        JobNotFound: There is no such trial; names those there are.
    """
    matching = results.trials[results.trials["trial_id"] == trial_id].to_dict("records")
    if matching:
        return matching[0]
    raise JobNotFound(f"The study {results.name!r} has no trial {trial_id!r}. {trials_in_words(results)}")


def trials_in_words(results: Results) -> str:
    """Which trials a study has, and how a command names one, in sentences.

    Args:
        results: A study's results.
    """
    ids = [str(known) for known in results.trials["trial_id"]]
    if not ids:
        return "There is none yet."
    listed = ", ".join(ids) if len(ids) <= _SHOWN else f"{len(ids)}, from {ids[0]} to {ids[-1]}"
    there = f"There are {listed}" if len(ids) > 1 else f"There is {listed}"
    number = f", or its number, {int(ids[-1])}" if ids[-1].isdigit() else ""
    return (
        f"{there}; `tunepipe results {called(results.location)}` shows the best of them. A trial is named by its id, "
        f"{ids[-1]}{number}."
    )
