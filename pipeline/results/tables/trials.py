"""Rows of the table `trials`: one by its id, all of them the best first, and the config at each one's best epoch."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pipeline.errors import JobNotFound
from pipeline.results.tables.configs import configs_of
from pipeline.results.tables.load import Results, ranking_keys
from pipeline.space import Config
from pipeline.study.studies import called

__all__ = ["configs_at_best", "ranked", "trial_row", "trials_in_words"]


def ranked(results: Results) -> list[str]:
    """Trial ids, the best first, in the order of `pipeline.study.ranking`.

    Args:
        results: A study's results.
    """
    keys = ranking_keys(results.trials, results.objective)
    return sorted(keys, key=keys.__getitem__)


def configs_at_best(results: Results, only: Sequence[str] | None = None) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one.

    Args:
        results: A study's results.
        only: Ids of the trials that are meant; None for all.
    """
    trials, space, epochs = results.trials, results.space, results.epochs
    trials = trials if only is None else trials[trials["trial_id"].isin(list(only))]
    columns = [name for name in epochs.columns if name.startswith("config_")]
    bests = trials[["trial_id", "best_epoch"]].dropna().astype({"best_epoch": "int64"})
    # Numbers are compared faster than ids, and only for the few rows that remain other columns are read.
    rows = np.flatnonzero(epochs["epoch"].isin(bests["best_epoch"].unique()))
    if only is not None:
        rows = rows[epochs["trial_id"].take(rows).isin(list(only))]
    epochs = epochs[["trial_id", "epoch", *columns]].take(rows)
    best_rows = bests.merge(epochs, left_on=["trial_id", "best_epoch"], right_on=["trial_id", "epoch"])
    at_best = configs_of(best_rows, space)
    now = configs_of(trials, space)
    known = dict(zip(best_rows["trial_id"], at_best, strict=True))
    return {str(trial): known.get(trial, config) for trial, config in zip(trials["trial_id"], now, strict=True)}


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
