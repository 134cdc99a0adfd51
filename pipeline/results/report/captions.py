"""The caption of each picture: one sentence that states in numbers what it shows."""

import numpy as np

from pipeline.results.analysis.parameters import OBJECTIVE, scored
from pipeline.results.analysis.queries import COSTS, costs, rises, rungs, spreads
from pipeline.results.plots.folds_and_repeats import label_of
from pipeline.results.plots.learning_curves import train_column
from pipeline.results.plots.style import MAX_LINES
from pipeline.results.tables.load import Results
from pipeline.results.tables.trials import pareto_front, trials_of_epochs
from pipeline.results.views.study import hypervolume_text
from pipeline.storage.schema import metric_column
from pipeline.text import counted, duration, format_number, is_or_are, listed


def of_learning_curves(results: Results) -> str:
    """Where the best trial and the median one ended."""
    metric, rows, best = results.objective.metric, scored(results), results.best
    crosses = _crosses(results)
    if best is None:
        return f"No trial has a usable {metric}{crosses}."
    train = train_column(results)
    training = ""
    if train is not None:
        at = results.epochs[(results.epochs["trial_id"] == best.trial_id) & (results.epochs["epoch"] == best.epoch)]
        name, value = results.metric_names.get(train, train), float(at[train].iloc[0])
        training = f", with {name} {format_number(value)} on the training split" if np.isfinite(value) else ""
    others = f"; the median of {counted(len(rows), 'trial')} is {format_number(rows[OBJECTIVE].median())}"
    return (
        f"Trial {best.trial_id} reaches {metric} {format_number(best.value)} at epoch {best.epoch}{training}"
        f"{others if len(rows) > 1 else ''}{crosses}.{some_drawn(_curves(results, metric_column(metric)))}"
    )


def of_learning_rates(results: Results) -> str:
    """The span of learning rates, and the final one of the best trial."""
    rates = results.epochs["learning_rate"].dropna()
    if rates.min() == rates.max():
        return f"The learning rate is {format_number(rates.min())} throughout."
    some = some_drawn(_curves(results, "learning_rate", "segment"), "lines")
    span = f"Learning rates lie between {format_number(rates.min())} and {format_number(rates.max())}"
    if results.best is None:
        return f"{span}.{some}"
    mine = results.epochs.loc[results.epochs["trial_id"] == results.best.trial_id, "learning_rate"].dropna()
    if mine.empty:
        return f"{span}.{some}"
    first, last = format_number(mine.iloc[0]), format_number(mine.iloc[-1])
    did = f"stays at {first}" if mine.nunique() == 1 else f"goes from {first} to {last}"
    return f"{span}; that of the best trial, {results.best.trial_id}, {did}.{some}"


def of_best_so_far(results: Results) -> str:
    """When the best was reached, and when one nearly as good was."""
    best = results.best
    if best is None:
        return "No trial has a value."
    sign = 1 if results.objective.mode == "max" else -1
    # Whatever was reached was reached at one of these.
    rows = rises(results).to_pandas()
    if rows.empty:
        # The best is beyond a bound, as all others are.
        return f"{results.objective.metric} {format_number(best.value)} is beyond a bound, as all values are."
    seconds, values = rows["seconds"].to_numpy(), rows["best"].to_numpy()
    first = values[0]
    near = seconds[np.argmax(sign * values >= sign * (first + 0.95 * (best.value - first)))]
    at = seconds[np.argmax(values == best.value)]
    earlier = (
        f"; 95% of the improvement over the first epoch's {format_number(first)} was reached after {duration(near)}"
    )
    return (
        f"{results.objective.metric} {format_number(best.value)} was reached after {duration(at)} "
        f"of {duration(results.seconds)}{earlier if first != best.value else ''}."
    )


def of_rungs(results: Results) -> str:
    """How many were stopped at each rung, and how many were left."""
    parts = [f"{row['stopped']} of {row['reached']} at epoch {row['rung']}" for row in rungs(results).to_pylist()]
    completed = results.trials["state"] == "completed"
    epochs = int(results.job["budget"]["epochs"])
    whole = completed & (results.trials["epochs"] >= epochs)
    left = f"{counted(int(whole.sum()), 'trial')} trained all {counted(epochs, 'epoch')}"
    sooner = int((completed & ~whole).sum())
    by_itself = (
        f", {counted(sooner, 'trial')} ended early by {'itself' if sooner == 1 else 'themselves'}" if sooner else ""
    )
    return f"Trials stopped: {listed(parts)}; {left}{by_itself}."


def of_trade_off(results: Results, metric: str) -> str:
    """How many trials are on the front, and its two ends."""
    first, points = results.objective.metric, pareto_front(results)
    if not points:
        if (results.trials["violation"] > 0).any():
            return "No trial with a value of every objective is within the bounds."
        return "No trial has a value of every objective."
    ends = [points[0]] if len(points) == 1 else [points[0], points[-1]]
    text = " to ".join(
        f"{first} {format_number(end.values[first])} with {metric} {format_number(end.values[metric])}" for end in ends
    )
    many = f"{len(points)} of {counted(len(results.trials), 'trial')} {is_or_are(len(points))}"
    return f"{many} on the front: {'from ' if len(points) > 1 else ''}{text}."


def of_hypervolume(results: Results) -> str:
    """What the study's trials dominate, and up to which reference point."""
    return hypervolume_text(results)


def of_deviations(results: Results) -> str:
    """The best mean, and which others do not differ clearly from it."""
    first, *rest = spreads(results).to_pylist()
    near = [
        label_of(results, one["trial_id"])
        for one in rest
        if abs(one["mean"] - first["mean"]) <= first["std"] + one["std"]
    ]
    others = f"; within a deviation of both: {listed(near if len(near) <= 8 else [*near[:8], '…'])}" if near else ""
    label = label_of(results, first["trial_id"])
    return f"{label} is best with {format_number(first['mean'])} ± {first['std']:.2g}{others}."


def of_cost(results: Results, cost: str) -> str:
    """What the best value took, and what the cheapest trial did."""
    rows = costs(results).to_pandas()
    if results.best is None or rows.empty:
        return "No trial has a value yet."
    mine = rows[(rows["trial_id"] == results.best.trial_id) & (rows["value"] == results.best.value)]
    ends = rows.groupby("trial_id")[cost].last()
    taken = f"The best value took {_amount(mine[cost].iloc[0])} {COSTS[cost]}; " if len(mine) else ""
    return f"{taken}trials took between {_amount(ends.min())} and {_amount(ends.max())}."


def _amount(cost: float) -> str:
    return f"{cost:,.0f}" if cost >= 100 else format_number(cost)


def of_trajectories(results: Results) -> str:
    """The path of the best trial."""
    if results.best is None:
        return "No trial has a value yet."
    way = results.epochs[results.epochs["trial_id"] == results.best.trial_id].sort_values("epoch")
    first, last = (f"({format_number(one['x'])}, {format_number(one['y'])})" for one in (way.iloc[0], way.iloc[-1]))
    return f"The best trial is at {first} after its first epoch and at {last} after {counted(len(way), 'epoch')}."


def _crosses(results: Results) -> str:
    """The meaning of the crosses, and the number of failed trials without one, because they have no value."""
    failed = results.trials.loc[results.trials["state"] == "failed", "trial_id"]
    if failed.empty:
        return ""
    column = metric_column(results.objective.metric)
    known = results.epochs[np.isfinite(results.epochs[column])] if column in results.epochs else results.epochs.iloc[:0]
    drawn = int(failed.isin(known["trial_id"].unique()).sum())
    none = f"{counted(len(failed) - drawn, 'trial')} failed without a value"
    if not drawn:
        return f"; {none}"
    crosses = f"; crosses mark {counted(drawn, 'failed trial')}"
    return crosses if drawn == len(failed) else f"{crosses}; {none}"


def _curves(results: Results, column: str, *parts: str) -> int:
    """How many curves of a column of `epochs` there are: one for each trial with a value, or for each part of one."""
    if column not in results.epochs:
        return 0
    known = np.isfinite(results.epochs[column].to_numpy(np.float64))
    keys = [trials_of_epochs(results)[known], *(results.epochs[part].to_numpy()[known] for part in parts)]
    # Rows are sorted by trial and epoch.
    return int(np.any([key[1:] != key[:-1] for key in keys], axis=0).sum()) + int(known.any())


def some_drawn(count: int, what: str = "trials") -> str:
    """The sentence that only some of many lines are drawn, with a space before it; empty if all are."""
    return f" {MAX_LINES:,} evenly spaced {what} of {count:,} are shown." if count > MAX_LINES else ""
