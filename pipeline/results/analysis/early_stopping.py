"""How well early values predict final ones, what early stopping saved, and which stops may be wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.parameters import ranks
from pipeline.results.analysis.queries import STOPS, epoch_seconds, rungs, stops, trial_counts
from pipeline.results.tables.load import Results, cache_per_results

MIN_TRIALS = 5
"""The fewest trials for a meaningful rank correlation."""

_MAX_TRIALS, _MAX_EPOCHS = 2000, 12
_Z_90 = 1.6449
"""Standard errors on each side of a 90% interval."""

_AGREEMENT = pa.schema(
    [("epoch", pa.int64()), ("trials", pa.int64()), ("correlation", pa.float64()), ("low", pa.float64()),
     ("high", pa.float64()), ("place_of_best", pa.int64()), ("among", pa.int64())]
)  # fmt: skip


def _curves(results: Results) -> str:
    """SQL's tables of the values of trials that did not fail, larger is better, and of the fully trained trials."""
    sign = "" if results.objective.mode == "max" else "-"
    return f"""with points as (
        select t.trial_id, e.epoch, {sign}_value as value, t.state, t.epochs, t.place, t.violation
        from scored e join ranked t on t.trial_id = e.trial_id where t.state <> 'failed' and isfinite(_value)
    ), whole as (
        select trial_id, max(value) as final from points
        where state = 'completed' and epochs = (select max(epoch) from points) group by trial_id
    )"""


@cache_per_results
def agreements(results: Results) -> pa.Table:
    """The rank correlations of early values with final ones at some epochs; empty if too few trials trained fully.

    Only trials that trained to their end have a final value, and those are the ones that were good early on: among all
    trials the correlation would be higher. `place_of_best` is the rank of the study's best trial at that epoch, `among`
    the trials that reached it and are at most as far beyond the objectives' bounds.
    """
    powers = [2**power for power in range(30)]
    epochs = sorted({*powers, *rungs(results)["rung"].to_pylist()})
    rows = results.query(f"""{_curves(results)}, best as (select * from ranked order by place limit 1)
        select p.epoch, p.value, final, p.place = 1 as best, p.violation <= best.violation as eligible,
            row_number() over (partition by p.epoch order by p.trial_id) as number
        from points p left join whole using (trial_id), best
        where p.epoch in ({", ".join(map(str, epochs))}) and p.epoch < (select max(epoch) from points)
        order by p.epoch, p.trial_id
    """)
    measured: list[tuple[Any, ...]] = []
    for epoch in rows["epoch"].unique().to_pylist()[:_MAX_EPOCHS]:
        mine = rows.filter(pc.equal(rows["epoch"], epoch))
        value, final = (np.asarray(mine[name].fill_null(math.nan), np.float64) for name in ("value", "final"))
        full = np.flatnonzero(np.isfinite(final))
        if len(full) < MIN_TRIALS:
            continue
        full = full[np.linspace(0, len(full) - 1, min(len(full), _MAX_TRIALS)).round().astype(int)]
        eligible, best = (np.asarray(mine[name].fill_null(False), np.bool_) for name in ("eligible", "best"))
        place = int((value[eligible] > value[best][0]).sum()) + 1 if best.any() else None
        measured.append((epoch, len(full), *_correlation(value[full], final[full]), place, int(eligible.sum())))
    return pa.Table.from_pylist([dict(zip(_AGREEMENT.names, row, strict=True)) for row in measured], schema=_AGREEMENT)


def _correlation(early: np.ndarray, late: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rank correlation, and the ends of a 90% interval: that of Fisher's z with the standard error of
    D. Bonett and T. Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations (2000).
    """
    first, second, count = ranks(early), ranks(late), len(early)
    spread = first.std() * second.std()
    rho = float(np.clip(((first - first.mean()) * (second - second.mean())).mean() / spread, -1, 1)) if spread else 0.0
    # A correlation of 1 has no z: it counts as half-way to the next lower one, that of two exchanged neighbours.
    most = 1 - 6 / (count * (count**2 - 1))
    z, error = np.arctanh(np.clip(rho, -most, most)), np.sqrt((1 + rho**2 / 2) / (count - 3))
    low, high = np.tanh([z - _Z_90 * error, z + _Z_90 * error]).tolist()
    return rho, min(low, rho), max(high, rho)


@dataclass(frozen=True, slots=True)
class Stopping:
    """What early stopping did: the trials that it stopped, and what that saved.

    `doubts` are stopped trials that would have reached the best value had they improved after their last epoch as much
    as some of the `compared_with` fully trained ones did; otherwise `note` says why none is known. With 95% confidence
    the chance that a stopped trial would have improved more than all of these is at most `chance`.
    """

    stopped: int
    saved_epochs: int
    whole_epochs: int
    saved_seconds: float | None
    compared_with: int
    chance: float
    doubts: Sequence[Mapping[str, Any]]
    note: str


@cache_per_results
def stopping(results: Results) -> Stopping:
    """What early stopping saved, and which stops are in doubt.

    The gains are those of survivors, and a trial that was behind often has more to gain: few doubts are a lower bound.
    A trial that is farther beyond the objectives' bounds than the best one is in no doubt.
    """
    counts, most, seconds = trial_counts(results), int(results.job["budget"]["epochs"]), 0.0
    stopped = [row for row in stops(results).to_pylist() if row["stopped_by"] == "comparison"]
    each = epoch_seconds(results) if stopped else {}
    for row in stopped:
        known = each.get(row["trial_id"])
        seconds += math.nan if known is None else known * max(most - row["epochs"], 0)
    trained, none = results.query(f"{_curves(results)} select count(*) as n from whole")["n"][0].as_py(), not stopped
    few = trained < MIN_TRIALS or results.best is None
    doubts = [] if few else _doubts(results)
    reason = "No trial was stopped by comparison with others." if none else (
        f"Whether a stop was wrong is not known: that needs {MIN_TRIALS} fully trained trials; found {trained}."
    )  # fmt: skip
    return Stopping(
        len(stopped),
        counts.saved,
        counts.whole,
        seconds if math.isfinite(seconds) else None,
        trained,
        1 - 0.05 ** (1 / trained) if trained else 1.0,
        doubts,
        reason if none or few else "",
    )


def _doubts(results: Results) -> list[dict[str, Any]]:
    """The stops in doubt, those first with whose missing part most fully trained trials improved."""
    sign = "" if results.objective.mode == "max" else "-"
    stopped = f"""(
        with best as (select * from ranked order by place limit 1)
        select t.trial_id, t.epochs as epoch, t.objective as value, {sign}(best.objective - t.objective) as missing
        from {STOPS} t, best where stopped_by = 'comparison' and isfinite(t.objective)
            and t.violation <= best.violation and t.trial_id <> best.trial_id
    )"""
    gains = results.query(f"""{_curves(results)}, gains as (
            select epoch, final - max(value) over (partition by trial_id order by epoch) as gain
            from points join whole using (trial_id)
        ) select epoch, list(gain order by gain) as gains from gains
        where epoch in (select epoch from {stopped}) group by epoch
    """)
    sorted_gains = {epoch.as_py(): each.values.to_numpy() for epoch, each in zip(*gains.columns, strict=True)}
    doubts = []
    for row in results.query(f"select * from {stopped}").to_pylist():
        known = sorted_gains.get(row["epoch"], np.empty(0))
        if as_much := len(known) - int(np.searchsorted(known, row["missing"])):
            doubts.append({**row, "improved_as_much": as_much, "compared_with": len(known)})
    return sorted(doubts, key=lambda doubt: (-doubt["improved_as_much"], doubt["missing"]))
