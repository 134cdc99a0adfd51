"""The captions of pictures: what each shows, in numbers."""

import numpy as np

from pipeline.results.analysis.importance import Effect
from pipeline.results.analysis.parameters import (
    OBJECTIVE,
    best_quarter,
    format_value,
    scored,
    scored_with,
)
from pipeline.results.analysis.queries import rises, rungs
from pipeline.results.palette import MAX_LINES
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import pareto_front
from pipeline.space import ListedDomain
from pipeline.text import counted, duration, format_number, listed, percent

_MIN_TRIALS = 8
"""The minimum number of trials for a rank correlation."""


def of_learning_curves(results: Results) -> str:
    """Where the best trial and the median one ended."""
    metric, rows, best = results.objective.metric, scored(results), results.best
    if best is None:
        return f"No trial has a usable {metric}."
    failed = int((results.trials["state"] == "failed").sum())
    text = f"Trial {best.trial_id} reaches {metric} {format_number(best.value)} at epoch {best.epoch}"
    text += f"; the median of {counted(len(rows), 'trial')} is {format_number(rows[OBJECTIVE].median())}."
    text += f" {counted(failed, 'trial')} failed, marked by a cross if there is a value." if failed else ""
    some = f" {MAX_LINES:,} evenly spaced trials of {len(results.trials):,} are shown."
    return text + (some if len(results.trials) > MAX_LINES else "")


def of_best_so_far(results: Results) -> str:
    """When the best was reached."""
    if not (found := rises(results).to_pylist()):
        return "No trial has a value within the bounds."
    best, after = format_number(found[-1]["best"]), duration(found[-1]["seconds"])
    return f"{results.objective.metric} {best} was reached after {after} of {duration(results.seconds)}."


def of_rungs(results: Results) -> str:
    """How many were stopped at each rung."""
    parts = [f"{row['stopped']} of {row['reached']} at epoch {row['rung']}" for row in rungs(results).to_pylist()]
    return f"Trials stopped: {listed(parts)}."


def of_trade_off(results: Results, metric: str) -> str:
    """How many trials are on the front, and its two ends."""
    first, points = results.objective.metric, pareto_front(results)
    if not points:
        return "No trial has a value of every objective within the bounds."
    ends = [
        f"{first} {format_number(end.values[first])} with {metric} {format_number(end.values[metric])}"
        for end in (points[0], points[-1])
    ]
    return f"{len(points)} of {counted(len(results.trials), 'trial')} on the front: {' to '.join(dict.fromkeys(ends))}."


def of_objective_against(results: Results, parameter: str) -> str:
    """How the objective depends on a parameter: medians by value, or a rank correlation."""
    rows = scored_with(results, parameter)
    if isinstance(results.space[parameter], ListedDomain):
        medians = rows.groupby([format_value(value) for value in rows[parameter]])[OBJECTIVE].agg(["median", "size"])
        medians = medians.sort_values("median", ascending=results.objective.mode == "min")
        parts = [f"{format_number(median)} at {value} ({count})" for value, median, count in medians.itertuples()]
        return f"Medians (trials): {', '.join(parts[:4])}{', …' if len(parts) > 4 else ''}."
    values, best = rows[parameter].astype(float), best_quarter(rows)[parameter].astype(float)
    ends = dict.fromkeys(format_number(end) for end in (best.min(), best.max()))
    span = f"the best {len(best)} of {counted(len(rows), 'trial')} at {' to '.join(ends)}"
    if len(rows) < _MIN_TRIALS or values.nunique() == 1 or rows[OBJECTIVE].nunique() == 1:
        return f"{span[0].upper()}{span[1:]}."
    rho = float(np.corrcoef(values.rank(), rows[OBJECTIVE].rank())[0, 1])
    return f"Rank correlation {rho:+.2f}; {span}.".replace("-", "−", 1)


def of_effect(effect: Effect) -> str:
    """What a hyperparameter does, in a sentence."""
    interval = f"{percent(effect.low)} to {percent(effect.high)}"
    share = f"{percent(effect.share)} of the objective's variance (90% interval {interval})"
    return f"Best at {effect.best}; {share}." if effect.best else f"No best value can be given; {share}."
