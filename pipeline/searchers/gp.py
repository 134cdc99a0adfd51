"""Bayesian optimisation with a Gaussian process (Jones et al. 1998, Snoek et al. 2012), as scikit-learn has it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from pipeline.searchers.base import SearcherSettings, Tried, chance, losses
from pipeline.space import Config, draw, walk
from pipeline.space.points import fitted_process, near, vector
from pipeline.space.values import Count

__all__ = ["GPSearch"]

_MOST = 200
"""Trials the process is fitted to at most: its cost grows with their cube. The best and the newest are kept."""

_LARGEST = 1e100
"""Losses beyond count as this one: squares of them would overflow."""

_STEPS = (0.1, 0.02)
"""How far the neighbours of good configs lie from them, in parts of a parameter's width."""


@dataclass(frozen=True)
class GPSearch(SearcherSettings):
    """Models the objective over the space and takes the config with the largest expected improvement.

    For trials that are dear and few, up to some hundreds.

    Args:
        startup: So many configs are drawn at random first: those of random search.
        candidates: How many configs the largest expected improvement is looked for among.
    """

    startup: Count = 8
    candidates: Count = 1000
    kind: Literal["gp"] = field(default="gp", repr=False)

    def draw(self, space: Mapping[str, Any], *, seed: int, index: int, tried: Iterable[Tried] = ()) -> Config:
        """Config number `index`, after what was tried."""
        rng, before = chance(seed, index), list(tried)
        if sum(one.state == "known" for one in before) < self.startup or not any(p.drawn for p in walk(space)):
            return draw(space, rng, index)
        known = _fewer(losses(before, open_too=True))
        from threadpoolctl import threadpool_limits

        best = [config for config, _ in sorted(known, key=lambda one: one[1])[:4]]
        found = [draw(space, rng, place) for place in range(self.candidates)]
        # So small matrices gain nothing from threads, which would be taken from the trials.
        with threadpool_limits(1):
            improvement = _fitted(space, known)
            for step in _STEPS:
                found += [near(space, best[place % len(best)], step, rng) for place in range(self.candidates // 4)]
                order = np.argsort(-improvement(found), kind="stable")
                best = found = [found[place] for place in order[:4]]
        return best[0]


def _fewer(known: list[tuple[Config, float]]) -> list[tuple[Config, float]]:
    if len(known) <= _MOST:
        return known
    newest, older = known[-_MOST // 2 :], known[: -_MOST // 2]
    return sorted(older, key=lambda one: one[1])[: _MOST // 2] + newest


def _fitted(space: Mapping[str, Any], known: Sequence[tuple[Config, float]]) -> Any:
    """The expected improvement as a function of configs, in standard deviations of the losses."""
    from scipy.stats import norm

    points = np.array([vector(space, config) for config, _ in known])
    found = np.clip([loss for _, loss in known], -_LARGEST, _LARGEST)
    # Without a limit one diverged trial hides all else.
    middle = np.median(found)
    found = np.minimum(found, middle + 3 * (middle - found.min()) + 1e-12)
    found = (found - found.mean()) / (found.std() or 1.0)
    process = fitted_process(points, found)

    def improvement(configs: Sequence[Config]) -> npt.NDArray[np.float64]:
        mean, std = process.predict(np.array([vector(space, config) for config in configs]), return_std=True)
        better = (found.min() - mean) / np.maximum(std, 1e-9)
        gained: npt.NDArray[np.float64] = std * (better * norm.cdf(better) + norm.pdf(better))
        return gained

    return improvement
