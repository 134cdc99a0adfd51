"""Trials that train several models: their mean, and how far folds and repeats differ."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.results.analysis.domains import format_value
from pipeline.results.analysis.parameters import tuned
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import configs_at_best, ranked
from pipeline.storage.schema import column_of

_MAX_TRIALS = 32


@dataclass(frozen=True, slots=True)
class Spread:
    """A trial's objective over its models, at its best epoch."""

    trial_id: str
    label: str
    mean: float
    std: float
    each: npt.NDArray[np.float64]


def spreads(results: Results) -> list[Spread]:
    """The trials with several models and a value, the best first, at most 32; none if a trial is one model."""
    metric, names = results.objective.metric, results.metric_names
    # The column of a metric whose name SQL reserves does not begin as those of its folds do.
    column = column_of(metric, names)
    deviation = next(
        (each for each in (column_of(f"{metric}_std", names), f"{column}_std") if each in results.epochs), ""
    )
    if not deviation:
        return []
    of_one = re.compile(rf"({re.escape(metric)}|{re.escape(column)})_(fold\d+|repeat\d+)(_repeat\d+)?")
    own = [name for name in map(str, results.epochs) if of_one.fullmatch(names.get(name, name))]
    at_best = results.epochs.merge(results.trials[["trial_id", "best_epoch"]], on="trial_id")
    at_best = at_best[(at_best["epoch"] == at_best["best_epoch"]) & np.isfinite(at_best[column].to_numpy(np.float64))]
    rows = at_best.set_index("trial_id")
    parameters, configs = tuned(results), configs_at_best(results)
    found = []
    for trial in [trial for trial in ranked(results) if trial in rows.index][:_MAX_TRIALS]:
        label = format_value(configs[trial].get(parameters[0], "–")) if len(parameters) == 1 else trial
        each = rows.loc[trial, own].to_numpy(np.float64)
        found.append(Spread(trial, label, float(rows.loc[trial, column]), float(rows.loc[trial, deviation]), each))
    return found
