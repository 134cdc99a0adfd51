"""A comparison of several studies: which is better, with what confidence, and where they agree."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.errors import UsageError
from pipeline.results.analysis.best_so_far import progress
from pipeline.results.analysis.comparability import comparability_problems
from pipeline.results.analysis.domains import span_in_words
from pipeline.results.analysis.early_stopping import MIN_TRIALS
from pipeline.results.analysis.hypervolume import box_of, hypervolumes
from pipeline.results.analysis.parameters import OBJECTIVE, TRIAL, best_quarter, scored, tuned, within_bounds
from pipeline.results.tables.load import Results

_Reals = npt.NDArray[np.float64]


_AGAIN = 2000


MIN_SEEDS = 3
"""The fewest studies that differ only in their seed for an interval of their mean."""


_SEED = 0


_FREE = ("name", "description", "seed", "resources", "checkpoints")
"""Fields in which studies of the same question may differ."""


@dataclass(frozen=True, slots=True)
class Member:
    """A study in a comparison."""

    name: str
    results: Results
    best: float | None
    level: float | None
    expected: float | None
    low: float | None
    high: float | None
    hypervolume: float | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """How much better the first of two studies is."""

    names: tuple[str, str]
    ahead: float
    low: float
    high: float
    share: float


@dataclass(frozen=True, slots=True)
class Seeds:
    """Studies that differ only in their seed."""

    names: tuple[str, ...]
    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Shared:
    """Configs that two studies have both tried."""

    names: tuple[str, str]
    count: int
    correlation: float | None
    good: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Studies side by side."""

    members: Sequence[Member]
    level: int
    draws: int
    differences: Sequence[Difference]
    seeds: Sequence[Seeds]
    shared: Sequence[Shared]
    ranges: Mapping[str, Sequence[str]]
    comparability_problems: Sequence[str] = ()


def compared(studies: Mapping[str, Results]) -> Comparison:
    """Compare studies of one objective.

    The expected best value of k trials is the mean of the best of k drawn with replacement (J. Dodge et al.: Show Your
    Work, EMNLP 2019); k is half of what the smallest study has, since the best of all trials cannot be resampled.
    Trials of a searcher that learns are not independent: intervals are then too narrow.
    """
    if len(studies) < 2:
        raise UsageError(f"Studies are compared with each other: name two or more; found {len(studies)}.")
    goals = {name: (found.objective.metric, found.objective.mode) for name, found in studies.items()}
    if len(set(goals.values())) > 1:
        objectives = "; ".join(f"{name} uses {metric} ({mode})" for name, (metric, mode) in goals.items())
        raise UsageError(f"Only studies of one objective can be compared: {objectives}.")
    sign = 1.0 if next(iter(goals.values()))[1] == "max" else -1.0
    values = {name: sign * within_bounds(found)[OBJECTIVE].to_numpy(np.float64) for name, found in studies.items()}
    usable = [len(found) for found in values.values() if len(found) >= MIN_TRIALS]
    draws = max(1, min(usable) // 2) if usable else 0
    again = {name: _expected(found, draws) for name, found in values.items() if len(found) >= MIN_TRIALS}
    runs = {name: progress(found) for name, found in studies.items()}
    level = min(len(found.epochs) for found in studies.values())
    apart = comparability_problems(studies)
    members = [_member(name, found, runs[name], level, again.get(name), sign) for name, found in studies.items()]
    if (box := box_of(list(studies.values()))) is not None:
        covered = [hypervolumes(member.results, box)["share"] for member in members]
        members = [
            replace(member, hypervolume=float(share.iloc[-1]) if len(share) else 0.0)
            for member, share in zip(members, covered, strict=True)
        ]
    tried = {member.name: _tried(member.results, sign) for member in members}
    return Comparison(
        members,
        level,
        draws,
        [] if apart else [_difference(one, other, again[one], again[other]) for one, other in combinations(again, 2)],
        _seeds(members),
        [shared for one, other in combinations(tried, 2) if (shared := _shared((one, other), tried, sign)).count],
        _ranges(studies),
        apart,
    )


def _member(
    name: str, results: Results, best_curve: pd.DataFrame, level: int, again: tuple[float, _Reals] | None, sign: float
) -> Member:
    known = best_curve["best"].iloc[level - 1] if 0 < level <= len(best_curve) else np.nan
    best = results.best.value if results.best is not None else None
    at = float(known) if np.isfinite(known) else None
    if again is None:
        return Member(name, results, best, at, None, None, None)
    expected, others = again
    low, high = sorted(sign * end for end in np.quantile(others, [0.05, 0.95]))
    return Member(name, results, best, at, sign * expected, float(low), float(high))


def _expected(values: _Reals, draws: int) -> tuple[float, _Reals]:
    """The expected best of `draws` draws, and the same of resampled trials; more is better."""
    places = np.arange(1, len(values) + 1) / len(values)
    weights = places**draws - (places - 1 / len(values)) ** draws
    sample = np.random.default_rng(_SEED).integers(0, len(values), (_AGAIN, min(len(values), 2000)))
    narrow = sample.shape[1]
    some = np.arange(1, narrow + 1) / narrow
    others = np.sort(values[sample], axis=1) @ (some**draws - (some - 1 / narrow) ** draws)
    return float(np.sort(values) @ weights), others


def _difference(one: str, other: str, first: tuple[float, _Reals], second: tuple[float, _Reals]) -> Difference:
    # Their resamples are independent of each other.
    shuffled = np.random.default_rng(_SEED + 1).permutation(second[1])
    apart = first[1] - shuffled
    low, high = np.quantile(apart, [0.05, 0.95])
    share = float((apart > 0).mean() + (apart == 0).mean() / 2)
    return Difference((one, other), first[0] - second[0], float(low), float(high), share)


def _seeds(members: Sequence[Member]) -> list[Seeds]:
    groups: dict[str, list[Member]] = {}
    for member in members:
        job = {name: value for name, value in member.results.job.items() if name not in _FREE}
        job["fingerprint"] = member.results.data
        groups.setdefault(json.dumps(job, sort_keys=True), []).append(member)
    found = []
    for group in groups.values():
        bests = np.array([member.best for member in group if member.best is not None])
        seeds = {member.results.job["seed"] for member in group}
        if len(bests) < 2 or len(seeds) < len(group):
            continue
        low = high = None
        if len(bests) >= MIN_SEEDS:
            sample = np.random.default_rng(_SEED).integers(0, len(bests), (_AGAIN, len(bests)))
            low, high = (float(end) for end in np.quantile(bests[sample].mean(axis=1), [0.05, 0.95]))
        found.append(Seeds(tuple(member.name for member in group), float(bests.mean()), low, high))
    return found


@dataclass(frozen=True, slots=True)
class _Tried:
    """The configs that a study has tried."""

    trials: Mapping[str, tuple[str, float]]
    bar: float


def _tried(results: Results, sign: float) -> _Tried:
    trials: dict[str, tuple[str, float]] = {}
    names, rows = tuned(results), within_bounds(results)
    for row in rows.to_dict("records"):
        config = json.dumps({name: row[name] for name in names if row[name] == row[name]}, sort_keys=True)
        trials.setdefault(config, (str(row[TRIAL]), float(row[OBJECTIVE])))
    values = sign * rows[OBJECTIVE].to_numpy(np.float64)
    return _Tried(trials, float(np.quantile(values, 0.75)) if len(values) else np.nan)


def _shared(names: tuple[str, str], tried: Mapping[str, _Tried], sign: float) -> Shared:
    first, second = (tried[name].trials for name in names)
    common = [config for config in first if config in second]
    if len(common) < 2:
        return Shared(names, len(common), None, ())
    values = np.array([[sign * first[config][1], sign * second[config][1]] for config in common])
    correlation = None
    if len(common) >= MIN_TRIALS and (values.std(axis=0) > 0).all():
        ranks = pd.DataFrame(values).rank()
        correlation = float(np.corrcoef(ranks[0], ranks[1])[0, 1])
    bars = [tried[name].bar for name in names]
    good = [
        (first[config][0], second[config][0]) for config, row in zip(common, values, strict=True) if (row >= bars).all()
    ]
    return Shared(names, len(common), correlation, good)


def _ranges(studies: Mapping[str, Results]) -> dict[str, list[str]]:
    names = list(dict.fromkeys(name for results in studies.values() for name in tuned(results)))
    spans = [_spans(results) for results in studies.values()]
    return {name: [own.get(name, "–") for own in spans] for name in names}


def _spans(results: Results) -> dict[str, str]:
    best, space = best_quarter(results, scored(results)), results.space
    return {name: span_in_words(space[name], best[name]) for name in tuned(results) if name in best}
