"""The best trials of a study as a table a person reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results.front import objective_values, pareto_front
from pipeline.results.load import Results, configs_of
from pipeline.results.numbers import format_number, format_value
from pipeline.results.states import STATES
from pipeline.space import Config

__all__ = [
    "Line",
    "as_html",
    "columns",
    "columns_by_kind",
    "configs_at_best",
    "leaderboard",
    "lines",
    "outline",
    "ranked",
]

_FRONT = "front"
"""The column that marks who is on the front of several objectives."""

_STATE = 5
"""The place of the column that is coloured."""

_WORDS = ("trial", "state", _FRONT)
"""Columns that hold no numbers."""


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the leaderboard.

    Args:
        cells: What stands in each column.
        state: The trial's state.
        best: Whether it is the study's best trial.
    """

    cells: Sequence[str]
    state: str
    best: bool


def ranked(results: Results) -> list[str]:
    """Trial ids, the best first; ties go to the earlier epoch, then to the lower id; failed ones and those without a
    value come last.
    """
    trials = results.trials
    sign = -1 if results.objective.mode == "max" else 1
    order = sorted(
        zip(trials["trial_id"], trials["state"], trials["objective"], trials["best_epoch"], strict=True),
        key=lambda row: (
            row[1] == "failed" or row[2] != row[2],
            sign * row[2] if row[2] == row[2] else 0.0,
            int(row[3]) if row[2] == row[2] else 0,
        ),  # trials come in order of their ids, and sorting keeps that where the rest ties
    )
    return [str(row[0]) for row in order]


def configs_at_best(results: Results, only: Sequence[str] | None = None) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one.

    Args:
        results: A study's results.
        only: Ids of the trials that are meant; None for all.
    """
    trials, space = results.trials, results.space
    trials = trials if only is None else trials[trials["trial_id"].isin(list(only))]
    columns = [name for name in results.epochs.columns if name.startswith("config_")]
    epochs = results.epochs[["trial_id", "epoch", *columns]]
    if only is not None:
        epochs = epochs[epochs["trial_id"].isin(list(only))]
    bests = trials[["trial_id", "best_epoch"]].dropna().astype({"best_epoch": "int64"})
    found = bests.merge(epochs, left_on=["trial_id", "best_epoch"], right_on=["trial_id", "epoch"])
    at_best = configs_of(found, space)
    now = configs_of(trials, space)
    known = dict(zip(found["trial_id"], at_best, strict=True))
    return {str(trial): known.get(trial, config) for trial, config in zip(trials["trial_id"], now, strict=True)}


def leaderboard(
    results: Results, *, top: int | None = 10, only: Sequence[str] | None = None, in_order: bool = False
) -> Table:
    """The best trials, each with the config in force at its best epoch.

    Args:
        results: A study's results.
        top: How many rows; None for all.
        only: Ids of the trials that are meant; None for all.
        in_order: Whether they come as `only` has them, rather than the best first.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns(results):
        table.add_column(Text(legible(column)), justify="left" if column in _WORDS else "right")
    for line in lines(results, top=top, only=only, in_order=in_order):
        state = Text(line.state, style=STATES[line.state].colour if line.state in STATES else "")
        cells = [state if place == _STATE else Text(legible(cell)) for place, cell in enumerate(line.cells)]
        table.add_row(*cells, style="bold" if line.best else "")
    return table


def columns(results: Results) -> list[str]:
    """The leaderboard's columns by name."""
    return [name for _, name in columns_by_kind(results)]


def columns_by_kind(results: Results) -> list[tuple[str, str]]:
    """The leaderboard's columns by what they hold and by name: a parameter may be called as a metric is.

    Returns:
        Pairs of kind and name; kinds are fixed, metric, front and config.
    """
    fixed = [("fixed", name) for name in ("trial", "at epoch", "epochs", "seconds", "state")]
    further = [("front" if name == _FRONT else "metric", name) for name in _further(results)]
    drawn = [("config", name) for name in _drawn(results)]
    return [fixed[0], ("metric", results.objective.metric), *fixed[1:], *further, *drawn]


def lines(
    results: Results, *, top: int | None = 10, only: Sequence[str] | None = None, in_order: bool = False
) -> list[Line]:
    """The leaderboard's rows; the arguments are those of `leaderboard`."""
    meant = set(only) if only is not None else None
    order = list(only) if only is not None and in_order else ranked(results)
    shown = [trial for trial in order if meant is None or trial in meant][:top]
    rows, configs = _records(results.trials, "trial_id", shown), configs_at_best(results, shown)
    further = _further_at_best(results)
    found = []
    for trial_id in shown:
        row, config = rows[trial_id], configs[trial_id]
        known = row["objective"] == row["objective"]
        cells = [
            trial_id,
            format_number(row["objective"]) if known else "–",
            str(row["best_epoch"]) if known else "–",
            str(row["epochs"]),
            f"{row['seconds']:.1f}",
            str(row["state"]),
            *further.get(trial_id, []),
            *(format_value(config[name]) if name in config else "–" for name in _drawn(results)),
        ]
        best = results.best is not None and trial_id == results.best.trial_id
        found.append(Line(cells, str(row["state"]), best))
    return found


def as_html(results: Results, *, top: int = 10) -> str:
    """The leaderboard as a table for a notebook.

    Args:
        results: A study's results.
        top: How many rows.
    """
    head = "".join(f"<th>{escape(column)}</th>" for column in columns(results))
    body = "".join(
        f"<tr>{''.join(f'<{tag}>{escape(cell)}</{tag}>' for cell in line.cells)}</tr>"
        for line in lines(results, top=top)
        for tag in ["th" if line.best else "td"]
    )
    more = len(results.trials) - top
    rest = f"<p>… and {more} more in <code>.trials</code>.</p>" if more > 0 else ""
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>" if body else ""
    return f"<p>{escape(outline(results))}</p>{table}{rest}"


def outline(results: Results) -> str:
    """A study in one line: its name, its state, how its trials stand, and how many epochs they trained."""
    counts = results.trials["state"].value_counts()
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{results.name}  {results.state}, {states or 'no trials yet'}; {len(results.epochs)} epochs"


def _further(results: Results) -> list[str]:
    """The columns of objectives behind the first: their metrics, and the mark of the front."""
    metrics = [objective.metric for objective in results.objectives[1:]]
    return [*metrics, _FRONT] if metrics else []


def _further_at_best(results: Results) -> dict[str, list[str]]:
    """What stands in these columns for each trial: values at its best epoch."""
    if not results.objectives[1:]:
        return {}
    values, on_front = objective_values(results), {point.trial_id for point in pareto_front(results)}
    return {
        str(trial): [
            *(format_number(value) if value == value else "–" for value in row[1:]),
            "yes" if trial in on_front else "",
        ]
        for trial, row in zip(values.index, values.to_numpy().tolist(), strict=True)
    }


def _drawn(results: Results) -> list[str]:
    return [name for name, domain in results.space.items() if hasattr(domain, "draw")]


def _records(frame: pd.DataFrame, key: str, shown: list[str]) -> dict[str, dict[str, Any]]:
    """Rows by their key, of those to be shown."""
    records = frame[frame[key].isin(shown)].to_dict("records")
    return {str(record[key]): {str(name): value for name, value in record.items()} for record in records}
