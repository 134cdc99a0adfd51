"""The caption of each picture of hyperparameters: one sentence that states in numbers what it shows."""

from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.analysis.early_stopping import MIN_TRIALS
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    best_quarter,
    config_positions,
    format_value,
    scored,
    scored_with,
    shown_parameters,
    some_values,
    tuned,
)
from pipeline.results.analysis.queries import ancestry
from pipeline.results.plots.style import MAX_AXES
from pipeline.results.report.captions import some_drawn
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import given
from pipeline.space import ListedDomain
from pipeline.text import counted, format_number, listed


def of_objective_against(results: Results, parameter: str) -> str:
    """How the objective depends on a parameter: medians by value, or a rank correlation."""
    rows = scored_with(results, parameter)
    if rows.empty:
        return "No trial has a value."
    if isinstance(results.space[parameter], ListedDomain):
        medians = rows.groupby([format_value(value) for value in rows[parameter]])[OBJECTIVE].agg(["median", "size"])
        medians = medians.sort_values("median", ascending=results.objective.mode == "min")
        parts = [f"{format_number(m)} at {value} ({n})" for value, m, n in medians.head(4).itertuples()]
        parts[0] = f"{parts[0][:-1]} {'trial' if medians['size'].iloc[0] == 1 else 'trials'})"
        what = "Medians: " if len(medians) > 1 else "Median "
        return f"{what}{', '.join(parts)}{', …' if len(medians) > 4 else ''}."
    best = best_quarter(results, rows)[parameter].astype(float)
    span = f"the best at {format_number(best.min())}"
    if best.nunique() > 1:
        span = f"the best {len(best)} between {format_number(best.min())} and {format_number(best.max())}"
    values = rows[parameter].astype(float)
    if len(rows) < MIN_TRIALS or values.nunique() == 1 or rows[OBJECTIVE].nunique() == 1:
        return f"{counted(len(rows), 'trial')}, {span}."
    rho = float(np.corrcoef(values.rank(), rows[OBJECTIVE].rank())[0, 1])
    shown = f"{rho:+.2f}".replace("-", "−")
    return f"Rank correlation {shown} over {len(rows)} trials, {span}."


def of_parallel_coordinates(results: Results) -> str:
    """Where the best quarter of the trials lies."""
    rows = scored(results)
    front = best_quarter(results, rows)
    parts = []
    for name in shown_parameters(results, MAX_AXES):
        values = front[name][given(front[name])]
        if values.empty:
            continue
        if isinstance(results.space[name], ListedDomain):
            found = dict.fromkeys(format_value(value) for value in values)
            domain: Any = results.space[name]
            order = [format_value(value) for value in domain.values]
            named = sorted(found, key=lambda value: order.index(value) if value in order else len(order))
            parts.append(f"{name} {some_values(named, ' or ')}")
        else:
            ends = dict.fromkeys(format_number(float(end)) for end in (values.min(), values.max()))
            parts.append(f"{name} {'–'.join(ends)}")
    which = f"The best {len(front)} of {counted(len(rows), 'trial')}, in colour, have" if len(front) > 1 else (
        f"The best of {counted(len(rows), 'trial')}, in colour, has"
    )  # fmt: skip
    text = f"{which} {listed(parts)}." if len(parts) <= 6 else f"{which} {', '.join(parts[:6])}, …"
    return f"{text}{some_drawn(len(rows))}"


def of_schedule(results: Results, parameter: str) -> str:
    """The changes of the best model's hyperparameters."""
    places = pd.Series(config_positions(results, results.table("epochs"), parameter), index=results.epochs.index)
    life: list[float] = []
    for segment in ancestry(results):
        inside = results.epochs["epoch"].between(segment["after"] + 1, segment["until"])
        life += places[inside & (results.epochs["trial_id"] == segment["trial_id"])].tolist()
    domain = results.space[parameter]
    values = [
        format_value(domain.values[int(v)]) if isinstance(domain, ListedDomain) else format_number(v)
        for v in life
        if v == v
    ]
    changes = [value for place, value in enumerate(values) if not place or value != values[place - 1]]
    if not changes:
        return "The best model does not have it."
    if len(changes) == 1:
        return f"{changes[0]} throughout."
    shown = changes if len(changes) <= 6 else [*changes[:3], "…", *changes[-2:]]
    return f"{' → '.join(shown)}."


def of_best_place(results: Results) -> str:
    """Where the best trial is."""
    if results.best is None:
        return "No trial has a value yet."
    place = listed(f"{name} {format_value(results.best.config[name])}" for name in tuned(results))
    return f"The best of {counted(len(scored(results)), 'trial')} is at {place}: {format_number(results.best.value)}."
