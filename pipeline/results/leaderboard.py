"""The best trials of a study as a table a person reads."""

import math
from typing import Any

import pandas as pd
from rich.table import Table
from rich.text import Text

from pipeline.legible import legible
from pipeline.results.load import Results, config_of
from pipeline.space import Config

__all__ = ["configs_at_best", "format_number", "format_value", "leaderboard", "ranked"]

_COLOURS = {"completed": "green", "stopped": "bright_black", "failed": "red", "running": "cyan", "paused": "yellow"}


def format_number(value: float) -> str:
    """A metric or a float parameter: four significant digits, without noise behind them."""
    if not math.isfinite(value):
        return str(value)
    return f"{value:.4g}" if value == 0 or 1e-4 <= abs(value) < 1e5 else f"{value:.3e}"


def format_value(value: Any) -> str:
    """A parameter's value."""
    return format_number(value) if isinstance(value, float) else legible(str(value))


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


def configs_at_best(results: Results) -> dict[str, Config]:
    """Each trial's config in force at its best epoch; as it is now for a trial without one."""
    now = _records(results.trials, "trial_id", list(results.trials["trial_id"]))
    epochs = results.epochs.merge(results.trials[["trial_id", "best_epoch"]], on="trial_id")
    at_best = _records(epochs[epochs["epoch"] == epochs["best_epoch"]], "trial_id", list(now))
    return {trial_id: config_of(at_best.get(trial_id, row), results.space) for trial_id, row in now.items()}


def leaderboard(results: Results, *, top: int | None = 10) -> Table:
    """The best trials, each with the config in force at its best epoch.

    Args:
        results: A study's results.
        top: How many rows; None for all.
    """
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("trial")
    table.add_column(Text(legible(results.objective.metric)), justify="right")
    table.add_column("at epoch", justify="right")
    table.add_column("epochs", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("state")
    drawn = [name for name, domain in results.space.items() if hasattr(domain, "draw")]
    for name in drawn:
        table.add_column(name, justify="right")
    shown = ranked(results)[:top]
    rows = _records(results.trials, "trial_id", shown)
    configs = configs_at_best(results)
    for trial_id in shown:
        row = rows[trial_id]
        config = configs[trial_id]
        known = row["objective"] == row["objective"]
        best = results.best is not None and trial_id == results.best.trial_id
        table.add_row(
            Text(legible(trial_id)),
            format_number(row["objective"]) if known else "–",
            str(row["best_epoch"]) if known else "–",
            str(row["epochs"]),
            f"{row['seconds']:.1f}",
            Text(row["state"], style=_COLOURS.get(row["state"], "")),
            *(Text(format_value(config[name]) if name in config else "–") for name in drawn),
            style="bold" if best else "",
        )
    return table


def _records(frame: pd.DataFrame, key: str, shown: list[str]) -> dict[str, dict[str, Any]]:
    """Rows by their key, of those to be shown."""
    records = frame[frame[key].isin(shown)].to_dict("records")
    return {str(record[key]): {str(name): value for name, value in record.items()} for record in records}
