"""How long an epoch takes once it runs, and how long a study still takes."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.study import Budget

_STRETCH = ["trial_id", "session", "attempt", "segment"]
"""Columns whose values do not change while a trial continues."""

TIMED = (*_STRETCH, "seconds_build", "seconds_train", "seconds_evaluate")
"""The columns of `epochs` that `steady_seconds` and `epoch_seconds` need."""


def steady_seconds(epochs: pd.DataFrame) -> pd.Series:
    """Seconds of training and validation in steady epochs.

    The first epoch after each start of a trial also traces and compiles the model, and may start libraries. So does an
    epoch before which the model was built again. Neither says how long another epoch takes.
    """
    built = epochs["seconds_build"].fillna(0.0).gt(0.0)
    seconds: pd.Series = epochs["seconds_train"].fillna(0.0) + epochs["seconds_evaluate"].fillna(0.0)
    return seconds[~_first_of_stretches(epochs) & ~built]


def epoch_seconds(epochs: pd.DataFrame, trials: pd.Series) -> pd.Series:
    """Seconds that another epoch of each trial takes: the median of its steady epochs, else of all trials' medians."""
    steady = steady_seconds(epochs)
    # By the number of the trial: pandas would compare the id of each epoch.
    numbers, ids = pd.factorize(epochs["trial_id"])
    medians = steady.groupby(numbers[epochs.index.get_indexer(steady.index)]).median()
    medians.index = ids.take(medians.index.to_numpy())
    seconds: pd.Series = trials.map(medians).astype("float64").fillna(medians.median())
    return seconds


def _first_of_stretches(epochs: pd.DataFrame) -> npt.NDArray[np.bool_]:
    """Which rows are the first of a trial's stretch."""
    first = np.zeros(len(epochs), np.bool_)
    # Only a row that differs from the one before can be: few do, and pandas takes long to compare all with all.
    first[:1] = True
    for name in _STRETCH:
        column = epochs[name].array
        first[1:] |= np.asarray(column[1:] != column[:-1], np.bool_)
    starts = np.flatnonzero(first)
    first[starts[epochs.iloc[starts].duplicated(_STRETCH)]] = False
    return first


def expected_epochs(ended: Sequence[int], live: Sequence[int], maximum: int) -> tuple[float, float]:
    """How many epochs live trials and future ones are expected to train.

    A trial continues after an epoch with the probability with which the trials that reached that epoch did; where no
    trial has ended, all continue (the estimator of E. L. Kaplan and P. Meier: Nonparametric Estimation from Incomplete
    Observations, JASA 1958). Trials that end early do so first: the mean of those that have ended would be too low.
    """
    stopped, going = (np.clip(np.asarray(each, np.int64), 0, maximum) for each in (ended, live))
    everyone = np.sort(np.concatenate([stopped, going]))
    # Between the epochs at which trials ended, all continue.
    ends, counts = np.unique(np.append(stopped[stopped > 0], maximum), return_counts=True)
    counts[-1] = 0
    goes_on = 1 - counts / np.maximum(len(everyone) - np.searchsorted(everyone, ends), 1)
    more = np.zeros(len(ends))
    for place in range(len(ends) - 2, -1, -1):
        more[place] = ends[place + 1] - ends[place] + goes_on[place + 1] * more[place + 1]

    def after(epochs: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        following = np.searchsorted(ends[:-1], epochs, side="right")
        further: npt.NDArray[np.float64] = ends[following] - epochs + goes_on[following] * more[following]
        return further

    started = 1 - np.count_nonzero(stopped == 0) / max(len(everyone), 1)
    return float(started * after(np.zeros(1, np.int64))[0]), float(after(going).sum())


def seconds_left(
    budget: Budget,
    *,
    rate: float | None,
    ended: Sequence[int],
    live: Sequence[int],
    limit: int,
    seconds: float,
    waited: float = 0.0,
) -> float | None:
    """An estimate of the seconds until a study ends, at most what its budget leaves."""
    bounds: list[float] = []
    if rate:
        each, begun = expected_epochs(ended, live, budget.epochs)
        bounds.append((begun + each * max(limit - len(ended) - len(live), 0)) / rate - waited)
        if budget.total_epochs is not None:
            bounds.append((budget.total_epochs - sum(ended) - sum(live)) / rate - waited)
    if budget.seconds is not None:
        bounds.append(budget.seconds - seconds)
    return max(min(bounds), 0.0) if bounds else None
