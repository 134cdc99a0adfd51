"""What a study's tables say, as queries in DuckDB: each answer is an Arrow table, which views and pictures take.

Beside the tables stand the views `scored` (epochs with `_value`, `_loss` and `_violation` of the objectives) and
`ranked` (trials with `place`, from 1).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.engine.commands import STOPPED_BY_USER
from pipeline.engine.limits import is_over
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.storage.schema import SECONDS
from pipeline.storage.sessions import driver_seconds
from pipeline.study import Budget

MIN_TRIALS = 5
"""The fewest trials for a rank correlation, or an interval of the best of several."""

_MAX_EPOCHS = 12

_Z_90 = 1.6449
"""Standard errors on each side of a 90% interval."""


def timed(results: Results) -> str:
    """The epochs with their `value`, the `seconds` for which a driver had run when each ended, and whether it `counts`:
    whether the value is finite, within the bounds, and of a trial that did not fail.
    """
    sessions = [
        f"({session['number']}, {datetime.fromisoformat(session['started']).timestamp() * 1e6:.0f}, "
        f"{driver_seconds(results.sessions[:place])}::double)"
        for place, session in enumerate(results.sessions)
    ]
    return f"""(
        select e.trial_id, epoch, _value as value,
            coalesce(s.before + greatest(epoch_us(e.time) - s.started, 0) / 1e6, 0) as seconds,
            coalesce(isfinite(_value), false) and _violation = 0 and t.state is distinct from 'failed' as counts
        from scored e left join (select trial_id, state from trials) t using (trial_id)
        left join (values {", ".join(sessions or ["(0, 0, 0.0::double)"])}) s(number, started, before)
        on s.number = e.session
    )"""


@cache_per_results
def progress(results: Results) -> pa.Table:
    """How the best value grew: for each epoch in order of time `trial_id`, `seconds`, `epochs`, `trials`, `best`, and
    whether it `rises`: whether it is a new one.
    """
    return results.query(f"""
        with firsts as (select trial_id, min(epoch) as first_epoch from epochs group by trial_id), grown as (
            select trial_id, seconds, row_number() over w as epochs,
                sum((epoch = first_epoch)::int) over w as trials,
                {results.objective.mode}(case when counts then value end) over w as best
            from {timed(results)} join firsts using (trial_id)
            window w as (order by seconds, trial_id, epoch rows unbounded preceding)
        )
        select *, best is distinct from lag(best) over (order by epochs) as rises from grown order by epochs
    """)


def rises(results: Results) -> pa.Table:
    """The rows of `progress` at which the best value changed."""
    table = progress(results)
    return table.filter(table["rises"])


@cache_per_results
def reached(results: Results) -> pa.Table:
    """What epochs reached, in order of time: `seconds` and `value` of those that count."""
    return results.query(f"select seconds, value from {timed(results)} where counts order by seconds")


@cache_per_results
def rungs(results: Results) -> pa.Table:
    """For each `rung`, how many trials were compared there (`reached`), and how many of them `stopped`.

    Where trials pause, each leaves a decision at its rungs; elsewhere a trial that continues leaves none.
    """
    return results.query("""
        with decided as (
            select * from decisions where rung is not null
            qualify row_number() over (partition by trial_id, rung order by number desc) = 1
        ), paused as (select count(*) > 0 as pausing from decisions where rung is not null and kind = 'pause')
        select rung, count(*) filter (where kind = 'stop') as stopped, case when any_value(pausing) then count(*)
            else (select count(*) from trials where epochs >= rung) end as reached
        from decided, paused group by rung order by rung
    """)


@cache_per_results
def exploits(results: Results) -> pa.Table:
    """The decisions to copy another trial's weights, by epoch; of several at one epoch the last counts."""
    return results.query("""
        select trial_id, epoch, parent_trial, parent_epoch from decisions
        where kind = 'exploit' and parent_epoch is not null
        qualify row_number() over (partition by trial_id, epoch order by number desc) = 1 order by epoch, number
    """)


def ancestry(results: Results) -> list[dict[str, Any]]:
    """Where the best model's weights came from, the oldest part first: `trial_id`, its epochs `after` and `until`, and
    the model's `age` before them; empty if there is no best.
    """
    if results.best is None:
        return []
    copied, parts = exploits(results).to_pylist(), list[dict[str, Any]]()
    trial, until = results.best.trial_id, results.best.epoch
    while last := [row for row in copied if row["trial_id"] == trial and row["epoch"] < until][-1:]:
        parts.insert(0, {"trial_id": trial, "after": last[0]["epoch"], "until": until})
        trial, until = last[0]["parent_trial"], last[0]["parent_epoch"]
    parts.insert(0, {"trial_id": trial, "after": 0, "until": until})
    age = 0
    for part in parts:
        part["age"], age = age, age + part["until"] - part["after"]
    return parts


@cache_per_results
def stops(results: Results) -> pa.Table:
    """The stopped trials, and what stopped each: `comparison` with other trials, a `user`, or the study's `end`."""
    return results.query(f"""
        with last as (
            select trial_id, cutoff is not null or rung is not null as compared, reason from decisions
            where kind = 'stop' qualify row_number() over (partition by trial_id order by number desc) = 1
        )
        select trial_id, epochs, case when compared then 'comparison'
            when starts_with(reason, '{STOPPED_BY_USER}') then 'user' else 'end' end as stopped_by
        from trials left join last using (trial_id) where state = 'stopped'
    """)


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """How many trials ended in which way: by state, and those that stopped by what stopped them.

    Comparisons `saved` epochs of `whole`, which these trials and the completed ones would have trained; `saved_seconds`
    of training on one worker, if that is known.
    """

    states: Mapping[str, int]
    stopped: Mapping[str, int]
    saved: int
    whole: int
    saved_seconds: float | None


@cache_per_results
def trial_counts(results: Results) -> TrialCounts:
    """Count the trials of a study."""
    most, stopped = int(results.job["budget"]["epochs"]), stops(results).to_pylist()
    states = results.query("select state, count(*) as trials from trials group by state").to_pylist()
    by_state = {row["state"]: row["trials"] for row in states}
    by = {who: sum(row["stopped_by"] == who for row in stopped) for who in ("comparison", "user", "end")}
    saved = sum(max(most - row["epochs"], 0) for row in stopped if row["stopped_by"] == "comparison")
    # Before an epoch with a build, something compiled.
    each = results.query("""
        select median(coalesce(seconds_train, 0) + coalesce(seconds_evaluate, 0)) as seconds from epochs
        where coalesce(seconds_build, 0) = 0
    """)["seconds"][0].as_py()
    whole = most * (by["comparison"] + by_state.get("completed", 0))
    return TrialCounts(by_state, by, saved, whole, None if each is None else saved * each)


def _rank(column: str) -> str:
    """SQL of the ranks of values at an epoch, ties with their mean rank."""
    return (
        f"rank() over (partition by epoch order by {column}) + (count(*) over (partition by epoch, {column}) - 1) / 2.0"
    )


@cache_per_results
def agreements(results: Results) -> list[dict[str, Any]]:
    """The rank correlations of values at some epochs with the best ones; none if too few trials trained fully.

    Only trials that trained to their end have a final value, and those are the ones that were good early on: among all
    trials the correlation would be higher. The 90% `interval` is that of Fisher's z with the standard error of D.
    Bonett and T. Wright, Sample size requirements for estimating Pearson, Kendall and Spearman correlations (2000).
    """
    epochs = sorted({*(2**power for power in range(30)), *rungs(results)["rung"].to_pylist()})
    rows: list[dict[str, Any]] = results.query(f"""
        with points as (
            select trial_id, epoch, _value as value, state, epochs from scored join trials using (trial_id)
            where isfinite(_value)
        ), whole as (
            select trial_id, {results.objective.mode}(value) as final from points
            where state = 'completed' and epochs = (select max(epoch) from points) group by trial_id
        ), ranks as (
            select epoch, {_rank("value")} as early, {_rank("final")} as late from points join whole using (trial_id)
            where epoch in ({", ".join(map(str, epochs))}) and epoch < (select max(epoch) from points)
        )
        select epoch, count(*) as trials, coalesce(corr(early, late), 0) as correlation from ranks group by epoch
        having count(*) >= {MIN_TRIALS} order by epoch limit {_MAX_EPOCHS}
    """).to_pylist()
    for row in rows:
        count = row["trials"]
        rho = row["correlation"] = min(max(row["correlation"], -1.0), 1.0) if math.isfinite(row["correlation"]) else 0.0
        # A correlation of 1 has no z: it counts as half-way to the next lower one, that of two exchanged neighbours.
        most = 1 - 6 / (count * (count**2 - 1))
        z, error = np.arctanh(np.clip(rho, -most, most)), np.sqrt((1 + rho**2 / 2) / (count - 3))
        low, high = np.tanh([z - _Z_90 * error, z + _Z_90 * error]).tolist()
        row["interval"] = [min(low, rho), max(high, rho)]
    return rows


def ended_by_itself(trial: Mapping[str, Any], results: Results) -> bool:
    """Whether a trial was ended by a callback or its function, and not by its maximum or the study's target."""
    budget = Budget(**results.job["budget"])
    at_target = budget.target_reached(results.objective, trial["objective"], trial["violation"])
    return bool(trial["state"] == "completed" and not is_over(budget, trial["epochs"], reached=at_target))


def effort(results: Results) -> dict[str, float]:
    """Seconds of all workers by what they did: the phases of an epoch, and `idle`."""
    phases = ", ".join(f"coalesce(sum({column}), 0)::double as {phase}" for phase, column in SECONDS.items())
    spent: dict[str, float] = results.query(f"select {phases} from epochs").to_pylist()[0]
    together = before = 0.0
    for session in results.sessions:
        # A session's seconds include those of the sessions before.
        until = float(session.get("seconds") or 0)
        together += max(until - before, 0.0) * int(session.get("workers") or 1)
        before = max(before, until)
    return {**spent, "idle": max(0.0, together - sum(spent.values()))}


def changes(results: Results) -> list[dict[str, Any]]:
    """The sessions that continued the study with changed data or code (`kind`)."""
    return [
        {"session": int(session["number"]), "kind": kind, "changes": list(session[f"{kind}_changes"])}
        for session in results.sessions
        for kind in ("data", "code")
        if session.get(f"{kind}_changes")
    ]


def study_decisions(results: Results) -> pa.Table:
    """What users decided about the whole study while it ran, in order."""
    return results.query(
        "select session, number, time, kind, reason from decisions where trial_id is null order by number"
    )
