"""How well early values predict final ones, what early stopping saved, and which stops may be wrong."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.results.analysis.epoch_timing import TIMED, epoch_seconds
from pipeline.results.analysis.reached_values import ReachedValues, reached_values
from pipeline.results.analysis.rungs import rungs_of
from pipeline.results.analysis.trial_ends import saved_epochs, stopped_early
from pipeline.results.tables.load import Results
from pipeline.results.tables.unique_rows import reals
from pipeline.wording import is_or_are

_Reals = npt.NDArray[np.float64]

MIN_TRIALS = 5
"""The fewest trials for a meaningful rank correlation."""
_AGAIN = 300
_Z_90 = 1.6449
"""Standard errors on each side of a 90% interval."""
_MAX_TRIALS = 2000
_MAX_EPOCHS = 12


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well values at an epoch predict final ones, among trials that trained to their end."""

    epoch: int
    trials: int
    correlation: float
    low: float
    high: float
    place: int | None
    among: int


@dataclass(frozen=True, slots=True)
class PossiblyWrongStop:
    """A trial that was stopped, is not the best, and might have become it."""

    trial_id: str
    epoch: int
    value: float
    missing: float
    gained: int
    trained: int


@dataclass(frozen=True, slots=True)
class Stopping:
    """What early stopping did."""

    stopped: int
    saved_epochs: int
    whole_epochs: int
    saved_seconds: float
    trained: int
    doubts: Sequence[PossiblyWrongStop]
    bound: float
    note: str = ""


def agreements(results: Results) -> list[Agreement]:
    """The rank correlations of early values with final ones; empty if too few trials trained to their end.

    Only trials that trained to their end have a final value, and those are the ones that were good early on: among all
    trials the correlation would be higher.
    """
    reached = reached_values(results)
    full, last = _full(results, reached), reached.last
    if len(full) < MIN_TRIALS or last < 2:
        return []
    sign = 1.0 if results.objective.mode == "max" else -1.0
    if len(full) > _MAX_TRIALS:
        full = full[np.linspace(0, len(full) - 1, _MAX_TRIALS).round().astype(int)]
    finals = reached.best(sign)[full]
    ids = results.table("trials")["trial_id"].to_pylist()
    best = ids.index(results.best.trial_id) if results.best is not None else -1
    of_all, measured, eligible = _ranked(finals), [], _eligible(results)
    for epoch in _epochs(results, last):
        everyone = sign * reached.at(epoch)
        curve = everyone[full]
        known = np.isfinite(curve)
        if known.sum() < MIN_TRIALS:
            continue
        early, late = _ranked(curve[known]), of_all if known.all() else _ranked(finals[known])
        column = everyone[eligible]
        mine = everyone[best] if best >= 0 else np.nan
        place = int((column > mine).sum()) + 1 if np.isfinite(mine) else None
        measured.append(
            Agreement(epoch, int(known.sum()), *_correlation(early, late), place, int(np.isfinite(column).sum()))
        )
    return measured


def stopping(results: Results) -> Stopping:
    """What early stopping saved, and which stops are in doubt.

    A stopped trial is compared with those that trained to their end: had it gained from its last epoch on as much as
    some of them did, would it have reached the study's best value? The gains are those of survivors, and a trial that
    was behind often has more to gain: where doubts are few, that is a lower bound. A trial that is farther beyond the
    objectives' bounds than the best one is in no doubt.
    """
    saved, whole = saved_epochs(results)
    stopped = stopped_early(results)
    maximum = int(results.job["budget"]["epochs"])
    per_epoch = epoch_seconds(results.columns("epochs", TIMED), stopped["trial_id"])
    seconds = float(((maximum - stopped["epochs"]).clip(lower=0) * per_epoch).sum(skipna=False))
    reached = reached_values(results)
    full = _full(results, reached)

    def outcome(doubts: Sequence[PossiblyWrongStop], note: str = "") -> Stopping:
        bound = 1 - 0.05 ** (1 / len(full)) if len(full) else 1.0
        return Stopping(len(stopped), saved, whole, seconds, len(full), doubts, bound, note)

    if not len(stopped):
        return outcome([], "no trial was stopped by comparison with others")
    if results.best is None or len(full) < MIN_TRIALS:
        there = f"there {is_or_are(len(full))} {len(full) or 'none'}"
        return outcome([], f"a comparison needs {MIN_TRIALS} fully trained trials, and {there}")
    sign = 1.0 if results.objective.mode == "max" else -1.0
    curves = np.fmax.accumulate(sign * reached.curves(full), axis=1)
    doubts = []
    eligible = _eligible(results)[results.trials.index.get_indexer(stopped.index)]
    comparable = stopped["epochs"].between(1, curves.shape[1]) & stopped["trial_id"].ne(results.best.trial_id)
    known = stopped[eligible & np.isfinite(stopped["objective"]) & comparable]
    for epoch, rows in known.groupby("epochs"):
        gains = curves[:, -1] - curves[:, int(epoch) - 1]
        gains = np.sort(gains[np.isfinite(gains)])
        values = rows["objective"].to_numpy(np.float64)
        missing = sign * (results.best.value - values)
        gained = len(gains) - np.searchsorted(gains, missing)
        columns = rows["trial_id"], values.tolist(), missing.tolist(), gained.tolist()
        doubts += [
            PossiblyWrongStop(str(trial), int(epoch), value, less, more, len(gains))
            for trial, value, less, more in zip(*columns, strict=True)
            if more
        ]
    return outcome(sorted(doubts, key=lambda doubt: (-doubt.gained, doubt.missing)))


def _eligible(results: Results) -> npt.NDArray[np.bool_]:
    """Which trials are at most as far beyond the objectives' bounds as the best one."""
    violations = reals(results.table("trials")["violation"])
    if results.best is None:
        return np.isfinite(violations)
    best = results.table("trials")["trial_id"].to_pylist().index(results.best.trial_id)
    eligible: npt.NDArray[np.bool_] = violations <= violations[best]
    return eligible


def _full(results: Results, reached: ReachedValues) -> npt.NDArray[np.int64]:
    """Where in `results.trials` the trials are that trained to their end, as far as the longest did."""
    trials = results.trials
    done = (trials["state"].eq("completed") & trials["epochs"].eq(reached.last)).to_numpy(np.bool_)
    return np.flatnonzero(done & np.isfinite(reached.best(1.0)))


def _epochs(results: Results, last: int) -> list[int]:
    """At which epochs to look: the rungs, or powers of two; before the last."""
    rungs = [int(rung) for rung in rungs_of(results)["rung"] if rung < last]
    powers = [2**power for power in range(30) if 2**power < last]
    return sorted({*rungs, *powers})[:_MAX_EPOCHS]


@dataclass(frozen=True, slots=True, eq=False)
class _Ranked:
    """Ranks of values, as `_ranks` has them."""

    whole: _Reals
    samples: _Reals


def _ranked(values: _Reals) -> _Ranked:
    """The ranks of values, and of resampled ones."""
    return _Ranked(_ranks(values, np.arange(len(values))[None]), _ranks(values, _samples(len(values))))


@lru_cache(maxsize=2)
def _samples(count: int) -> npt.NDArray[np.int64]:
    """Positions of resampled values, the same for all columns of one length."""
    return np.random.default_rng(0).integers(0, count, (_AGAIN, count))


def _correlation(early: _Ranked, late: _Ranked) -> tuple[float, float, float]:
    """Spearman's rank correlation, and the ends of a 90% interval of it.

    The interval is that of resampled trials, joined with that of Fisher's z: where few trials all agree, so do all
    samples of them. The standard error of z is that of Bonett and Wright, "Sample size requirements for estimating
    Pearson, Kendall and Spearman correlations", Psychometrika 65 (2000).
    """
    again = (early.samples * late.samples).sum(axis=-1)
    rho = float(np.clip((early.whole * late.whole).sum(), -1, 1))
    low, high = np.clip(np.quantile(again, [0.05, 0.95]), -1, 1)
    count = early.whole.shape[-1]
    # A correlation of 1 has no z: it counts as half-way to the next lower one, that of two exchanged neighbours.
    most = 1 - 6 / (count * (count**2 - 1))
    z, error = np.arctanh(np.clip(rho, -most, most)), np.sqrt((1 + rho**2 / 2) / (count - 3))
    below, above = np.tanh([z - _Z_90 * error, z + _Z_90 * error])
    return rho, min(float(low), float(below), rho), max(float(high), float(above), rho)


def _ranks(values: _Reals, samples: npt.NDArray[np.int64]) -> _Reals:
    """The ranks of samples of values, ties with their mean rank, each sample with mean 0 and norm 1."""
    # Values are sorted once: in a sample, a value's rank follows from how often it and smaller ones were drawn.
    known, codes = np.unique(values, return_inverse=True)
    count = len(known)
    places = codes[samples] + count * np.arange(len(samples))[:, None]
    times = np.bincount(places.ravel(), minlength=count * len(samples)).reshape(-1, count)
    mean_ranks = np.cumsum(times, axis=1) - (times - 1) / 2
    ranks: _Reals = mean_ranks.take(places)
    ranks = ranks - ranks.mean(axis=-1, keepdims=True)
    scaled: _Reals = ranks / np.maximum(np.linalg.norm(ranks, axis=-1, keepdims=True), 1e-12)
    return scaled
