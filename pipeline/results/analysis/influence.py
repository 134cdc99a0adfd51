"""The influence of each hyperparameter by itself on the ranks of trials: a quick choice among hundreds."""

import numpy as np
import numpy.typing as npt

_Reals = npt.NDArray[np.float64]

_PARTS = 4
_MAX_VALUES = 8
"""An axis with at most so many different places is compared place by place, any other by quarters of its places."""


def most_influential(units: _Reals, values: _Reals, most: int, first: int | None = None) -> npt.NDArray[np.int64]:
    """The axes with the most influence on the ranks of values, each by itself."""
    axes = units.shape[1]
    if axes <= most:
        return np.arange(axes)
    ranked = ranks(values)
    shares = [share_between(_parts(column), ranked) for column in units.T]
    behind = np.arange(axes) >= (axes if first is None else first)
    # Of axes without influence, the first ones.
    return np.sort(np.lexsort((np.arange(axes), -np.array(shares), behind))[:most])


def ranks(values: _Reals) -> _Reals:
    """The ranks of values from 1, ties with their mean rank."""
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    found: _Reals = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return found


def share_between(parts: _Reals, ranked: _Reals) -> float:
    """The adjusted share of the variance of ranks that lies between parts; 0 if it is what chance would give."""
    known = np.isfinite(parts)
    parts, ranked = parts[known], ranked[known]
    groups = [ranked[parts == part] for part in np.unique(parts)]
    spare, variance = len(ranked) - len(groups), ranked.var(ddof=1) if len(ranked) > 1 else 0.0
    if spare < 1 or variance == 0:
        return 0.0
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / spare
    return max(0.0, 1 - within / float(variance))


def quarters(places: _Reals) -> _Reals:
    """For each place, the number of the quarter of all places in which it lies; NaN where there is none."""
    if not (known := np.isfinite(places)).any():
        return places
    edges = np.quantile(places[known], np.linspace(0, 1, _PARTS + 1)[1:-1])
    return np.where(known, np.searchsorted(edges, places), np.nan)


def _parts(places: _Reals) -> _Reals:
    return places if len(np.unique(places)) <= _MAX_VALUES else quarters(places)
