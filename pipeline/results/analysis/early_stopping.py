"""How well early values predict final ones, what early stopping saved, and which stops may be wrong."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.results.analysis.queries import STOPS, epoch_seconds, rungs, stops, trial_counts
from pipeline.results.tables.load import Results, cache_per_results

MIN_TRIALS = 5
"""The fewest trials for a meaningful rank correlation."""

_MAX_EPOCHS = 12
_Z_90 = 1.6449
"""Standard errors on each side of a 90% interval."""

_AGREEMENT = pa.schema(
    [("epoch", pa.int64()), ("trials", pa.int64()), ("correlation", pa.float64()), ("low", pa.float64()),
     ("high", pa.float64()), ("place_of_best", pa.int64()), ("among", pa.int64())]
)  # fmt: skip


def _rank(column: str) -> str:
    """SQL of the ranks of values at an epoch, ties with their mean rank."""
    return (
        f"rank() over (partition by epoch order by {column}) + (count(*) over (partition by epoch, {column}) - 1) / 2.0"
    )


def _curves(results: Results) -> str:
    """SQL's tables of the best trial, of the values of trials that did not fail, larger is better, and of the trials
    that trained fully.
    """
    sign = "" if results.objective.mode == "max" else "-"
    return f"""with best as (select * from ranked order by place limit 1), points as (
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
    epochs = sorted({*(2**power for power in range(30)), *rungs(results)["rung"].to_pylist()})
    rows = results.query(f"""{_curves(results)}, places as (
            select p.epoch, count(*) filter (p.violation <= best.violation) as among, case when b.value is not null
                then 1 + count(*) filter (p.violation <= best.violation and p.value > b.value) end as place_of_best
            from best, points p left join points b on b.epoch = p.epoch and b.place = 1
            where p.epoch in ({", ".join(map(str, epochs))}) group by p.epoch, b.value
        ), ranks as (
            select epoch, {_rank("value")} as early, {_rank("final")} as late
            from points join whole using (trial_id) where epoch in (select epoch from places)
        )
        select epoch, count(*) as trials, coalesce(corr(early, late), 0) as correlation, place_of_best, among
        from ranks join places using (epoch) where epoch < (select max(epoch) from points)
        group by all having count(*) >= {MIN_TRIALS} order by epoch limit {_MAX_EPOCHS}
    """).to_pylist()
    for row in rows:
        row["correlation"] = rho = min(max(row["correlation"], -1.0), 1.0) if math.isfinite(row["correlation"]) else 0.0
        row["low"], row["high"] = _interval(rho, row["trials"])
    return pa.Table.from_pylist(rows, schema=_AGREEMENT)


def _interval(rho: float, count: int) -> tuple[float, float]:
    """The ends of a 90% interval of a rank correlation: that of Fisher's z with the standard error of D. Bonett and
    T. Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations (2000).
    """
    # A correlation of 1 has no z: it counts as half-way to the next lower one, that of two exchanged neighbours.
    most = 1 - 6 / (count * (count**2 - 1))
    z, error = np.arctanh(np.clip(rho, -most, most)), np.sqrt((1 + rho**2 / 2) / (count - 3))
    low, high = np.tanh([z - _Z_90 * error, z + _Z_90 * error]).tolist()
    return min(low, rho), max(high, rho)


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
    counts, most = trial_counts(results), int(results.job["budget"]["epochs"])
    stopped = [row for row in stops(results).to_pylist() if row["stopped_by"] == "comparison"]
    each = epoch_seconds(results) if stopped else {}
    known = all(each[row["trial_id"]] is not None for row in stopped)
    seconds = sum((each[row["trial_id"]] or 0) * max(most - row["epochs"], 0) for row in stopped)
    trained = results.query(f"{_curves(results)} select count(*) as n from whole")["n"][0].as_py()
    few, doubts, note = trained < MIN_TRIALS or results.best is None, list[dict[str, Any]](), ""
    if not stopped:
        note = "No trial was stopped by comparison with others."
    elif few:
        note = f"Whether a stop was wrong is not known: that needs {MIN_TRIALS} fully trained trials; found {trained}."
    else:
        sign = "" if results.objective.mode == "max" else "-"
        doubts = results.query(f"""{_curves(results)}, stopped as (
                select t.trial_id, t.epochs as epoch, t.objective as value,
                    {sign}(best.objective - t.objective) as missing
                from {STOPS} t, best where stopped_by = 'comparison' and isfinite(t.objective)
                    and t.violation <= best.violation and t.trial_id <> best.trial_id
            ), gains as (
                select epoch, final - max(value) over (partition by trial_id order by epoch) as gain
                from points join whole using (trial_id)
            ), sizes as (
                select *, missing as size, false as trained from stopped union all by name
                select epoch, gain as size, true as trained from gains where epoch in (select epoch from stopped)
            ), counted as (
                select *, count(*) filter (trained) over (partition by epoch order by size desc) as improved_as_much,
                    count(*) filter (trained) over (partition by epoch) as compared_with
                from sizes
            )
            select * exclude (size, trained) from counted where not trained and improved_as_much > 0
            order by improved_as_much desc, missing
        """).to_pylist()
    chance = 1 - 0.05 ** (1 / trained) if trained else 1.0
    return Stopping(len(stopped), counts.saved, counts.whole, seconds if known else None, trained, chance, doubts, note)
