"""How long an epoch takes once it runs, and how long a study still takes."""

from collections.abc import Sequence

import pandas as pd

from pipeline.study import Budget

__all__ = ["epoch_seconds", "seconds_left", "steady_seconds"]

_STRETCH = ["trial_id", "session", "attempt", "segment"]
"""Columns whose values do not change while a trial continues."""


def steady_seconds(epochs: pd.DataFrame) -> pd.Series:
    """Seconds of training and validation in steady epochs.

    The first epoch after each start of a trial also traces and compiles the model, and may start libraries. So does an
    epoch before which the model was built again. Neither says how long a further epoch takes.

    Args:
        epochs: The table `epochs`, by trial and epoch.

    Returns:
        Seconds, indexed as those rows of the table are that count; empty if there are none.
    """
    first = epochs.groupby(_STRETCH, dropna=False).cumcount().eq(0)
    built = epochs["seconds_build"].fillna(0.0).gt(0.0)
    rows = epochs[~first & ~built]
    seconds: pd.Series = rows["seconds_train"].fillna(0.0) + rows["seconds_evaluate"].fillna(0.0)
    return seconds


def epoch_seconds(epochs: pd.DataFrame, trials: pd.Series) -> pd.Series:
    """Seconds that a further epoch of each trial takes: the median of its steady epochs, else of all trials' medians.

    Args:
        epochs: The table `epochs`, by trial and epoch.
        trials: Ids of trials.

    Returns:
        Seconds, indexed as `trials`; NaN where the study has no steady epoch.
    """
    steady = steady_seconds(epochs)
    medians = steady.groupby(epochs.loc[steady.index, "trial_id"]).median()
    seconds: pd.Series = trials.map(medians).astype("float64").fillna(medians.median())
    return seconds


def seconds_left(
    budget: Budget, *, rate: float | None, ended: Sequence[int], live: Sequence[int], limit: int, seconds: float
) -> float | None:
    """An estimate of the seconds until a study ends, at most what its budget leaves.

    Args:
        budget: The study's budget.
        rate: Epochs that all workers train in a second; None if that is unknown yet.
        ended: Epochs of each trial that has ended: further trials are expected to train as many on average. As long as
            none has ended, each may train all its epochs.
        live: Epochs of each trial that has not.
        limit: The largest number of trials.
        seconds: Seconds during which a driver was alive.

    Returns:
        Seconds, 0 or more; None if nothing is known.
    """
    bounds: list[float] = []
    if rate:
        mean = sum(ended) / len(ended) if ended else budget.epochs
        begun = sum(max(mean - epochs, 0) for epochs in live)
        bounds.append((begun + mean * (limit - len(ended) - len(live))) / rate)
        if budget.total_epochs is not None:
            bounds.append((budget.total_epochs - sum(ended) - sum(live)) / rate)
    if budget.seconds is not None:
        bounds.append(budget.seconds - seconds)
    return max(min(bounds), 0.0) if bounds else None
