"""How long a study still takes."""

from collections.abc import Sequence

import numpy as np

from pipeline.study import Budget


def expected_epochs(ended: Sequence[int], live: Sequence[int], maximum: int) -> tuple[float, float]:
    """How many epochs a future trial is expected to train, and how many the live ones still do.

    A trial continues after an epoch with the probability with which the trials that reached it did (E. L. Kaplan and
    P. Meier, JASA 1958): trials that end early do so first, so the mean of those that have ended would be too low.
    """
    stopped, going = (np.clip(np.asarray(each, np.int64), 0, maximum) for each in (ended, live))
    everyone = np.sort(np.concatenate([stopped, going]))
    # Between the epochs at which trials ended, all continue.
    ends, counts = np.unique(np.append(stopped[stopped < maximum], maximum), return_counts=True)
    counts[-1] = 0
    goes_on = 1 - counts / np.maximum(len(everyone) - np.searchsorted(everyone, ends), 1)
    more = np.zeros(len(ends))
    """What a trial is expected to train after each of these epochs, if it continues."""
    for place in range(len(ends) - 2, -1, -1):
        more[place] = ends[place + 1] - ends[place] + goes_on[place + 1] * more[place + 1]
    following = np.searchsorted(ends[:-1], going, side="right")
    left = ends[following] - going + goes_on[following] * more[following]
    first = ends[0] + goes_on[0] * more[0]
    return float(first), float(left.sum())


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
