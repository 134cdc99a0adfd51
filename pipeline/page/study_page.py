"""The page of one study: its state, the trials that match, and the data of its pictures."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.engine.trial import LIVE_STATES
from pipeline.errors import UsageError
from pipeline.page.controls import config_text
from pipeline.page.study_cache import StudyCache
from pipeline.page.study_snapshot import StudySnapshot
from pipeline.results.analysis.failure_causes import causes
from pipeline.results.analysis.parameters import domain_in_words, of_shown, shown_parameters, tuned
from pipeline.results.analysis.queries import seconds_left, trial_counts
from pipeline.results.tables.load import Results
from pipeline.results.tables.sql import TrialsDatabase
from pipeline.results.views.provenance import provenance_in_words
from pipeline.results.views.study import MAX_PARAMETERS, columns, is_numeric, leaderboard, summary
from pipeline.results.views.table import Column
from pipeline.study import TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.text import duration, format_number, frequency, rough_duration

CONDITION_SECONDS = 20.0
"""A condition that takes longer is cancelled, so that none occupies a core forever."""

_ROWS = 50
_LONGEST = 4000
_NONE = np.array([], np.int64)


@dataclass(frozen=True, slots=True)
class TableQuery:
    """Which trials are shown, and in which order."""

    where: str = ""
    sort: str = ""
    page: int = 1

    @classmethod
    def of(cls, given: Mapping[str, str]) -> "TableQuery":
        """Read the query of an address."""
        page = given.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and len(page) < 8 else 1
        return cls(given.get("where", "").strip(), given.get("sort", ""), max(number, 1))

    def address(self) -> str:
        """The query as a part of an address."""
        given = {"where": self.where, "sort": self.sort, "page": self.page if self.page > 1 else ""}
        return "?" + urlencode({name: value for name, value in given.items() if value})


def content(studies: StudyCache, name: str, query: TableQuery) -> dict[str, Any]:
    """The content of the page."""
    snapshot = studies.snapshot(name)
    results = snapshot.results
    return {
        "mark": snapshot.mark,
        "state": results.state,
        "description": results.job["description"],
        "location": results.location,
        "tiles": snapshot.derived("tiles", _tiles),
        "summary": snapshot.derived("summary", summary),
        "objective": results.objective.metric,
        "several": len(results.objectives) > 1,
        "causes": snapshot.derived("causes", causes),
        "space": [(parameter.name, domain_in_words(parameter.domain)) for parameter in results.parameters],
        "provenance": provenance_in_words(results.sessions),
        "example": _example(results),
        "budget": results.job["budget"],
        **_table(snapshot, name, query),
    }


def table(studies: StudyCache, name: str, query: TableQuery) -> dict[str, Any]:
    """The content of the table of trials; the error of an invalid condition is shown above an empty table."""
    return _table(studies.snapshot(name), name, query)


def _table(snapshot: StudySnapshot, name: str, query: TableQuery) -> dict[str, Any]:
    results, fault = snapshot.results, ""
    try:
        trials = _matching(snapshot, query.where, query.sort)
    except UsageError as error:
        trials, fault = _NONE, str(error).replace("--where", "The condition").replace("--sort", "The order")
    pages = max(1, math.ceil(len(trials) / _ROWS))
    page = min(query.page, pages)
    shown = [str(trial) for trial in results.trials["trial_id"].take(trials[(page - 1) * _ROWS : page * _ROWS])]
    heads, parameters = columns(results, MAX_PARAMETERS), len(tuned(results))
    board = leaderboard({name: results}, trials=[(name, trial) for trial in shown], most=MAX_PARAMETERS)
    return {
        "name": name,
        "table_query": query,
        "fault": fault,
        "total": len(results.trials),
        "matching": len(trials),
        "page": page,
        "pages": pages,
        "at": lambda number: replace(query, page=number).address(),
        "some": of_shown(results, min(parameters, MAX_PARAMETERS), parameters),
        "heads": [_head(results, column, query) for column in heads],
        "rows": [_row(row, heads) for row in board.rows],
    }


def matching(studies: StudyCache, name: str, where: str) -> list[int]:
    """The positions of the trials that match a condition, in the order of the draw."""
    snapshot = studies.snapshot(name)
    if not where.strip():
        return list(range(len(snapshot.results.trials)))
    places: list[int] = np.sort(_matching(snapshot, where, "")).tolist()
    return places


def _matching(snapshot: StudySnapshot, where: str, sort: str) -> npt.NDArray[np.int64]:
    """The positions of the trials that match, in the order of the table."""
    if len(where) > _LONGEST:
        raise UsageError(f"--where must have at most {_LONGEST:,} characters; found {len(where):,}.")

    def ask(results: Results) -> npt.NDArray[np.int64]:
        selected = snapshot.derived("database", _database).select(
            where=where or None, sort=[sort] if sort else [], columns=["trial_id"], best_first=True,
            seconds=CONDITION_SECONDS,
        )  # fmt: skip
        places: npt.NDArray[np.int64] = pd.Index(results.trials["trial_id"]).get_indexer(
            selected["trial_id"].to_numpy()
        )
        return places

    return snapshot.derived(("matching", where, sort), ask)


def _database(results: Results) -> TrialsDatabase:
    return TrialsDatabase({results.name: results})


def _example(results: Results) -> str:
    """A config as a user enters it: the best one's."""
    config = results.best.config if results.best is not None else {}
    shown = {name: config[name] for name in shown_parameters(results, MAX_PARAMETERS) if name in config}
    rounded = {name: float(f"{value:.4g}") if isinstance(value, float) else value for name, value in shown.items()}
    return config_text(rounded) or "NAME=VALUE"


def _tiles(results: Results) -> list[tuple[str, str, str]]:
    """The most important numbers: label, value, and a note."""
    tiles, trials = [], results.trials
    if results.best is not None:
        note = f"trial {results.best.trial_id}, epoch {results.best.epoch}"
        tiles.append((f"best {results.objective.metric}", format_number(results.best.value), note))
    counts = trials["state"].value_counts()
    early = trial_counts(results).stopped["comparison"]
    kinds = {"running": int(counts.get("running", 0)), "stopped early": early, "failed": int(counts.get("failed", 0))}
    note = ", ".join(f"{count:,} {what}" for what, count in kinds.items() if count)
    job = TuneJob.from_json(results.job, load=False)
    limit = trials_in_all(job)
    tiles.append(("trials", f"{len(trials):,}", f"of {limit:,}{f': {note}' if note else ''}"))
    epochs = int(trials["epochs"].sum())
    rate = epochs / results.seconds if results.seconds else None
    tiles.append(("epochs", f"{epochs:,}", frequency(rate) if rate else "none yet"))
    left = None
    if results.state == "running":
        live = trials["state"].isin(LIVE_STATES)
        left = seconds_left(
            job.budget, rate=rate, ended=trials.loc[~live, "epochs"].tolist(), live=trials.loc[live, "epochs"].tolist(),
            limit=limit, seconds=results.seconds,
        )  # fmt: skip
    note = f"about {rough_duration(left)} left" if left is not None else f"session {len(results.sessions)}"
    tiles.append(("time", duration(results.seconds), note))
    return tiles


def _head(results: Results, column: Column, query: TableQuery) -> dict[str, Any]:
    name = column.key
    ascending, descending = query.sort == name, query.sort == f"-{name}"
    best_first = not query.sort and name == "objective"
    better_below = results.objective.mode == "min"
    return {
        "name": "time" if name == "seconds" else column.heading,
        "number": is_numeric(results, column),
        "order": "ascending" if ascending or (best_first and better_below) else "descending"
        if descending or best_first else "",
        "address": TableQuery(query.where, f"-{name}" if ascending else name).address(),
    }  # fmt: skip


def _row(row: Mapping[str, Any], heads: Sequence[Column]) -> dict[str, Any]:
    cells = [duration(row["seconds"]) if column.key == "seconds" else column.cell(row) for column in heads]
    return {"trial": row["trial_id"], "state": row["state"], "best": row["is_best"], "cells": cells}
