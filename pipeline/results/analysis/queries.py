"""What a study's tables say, as queries in DuckDB: each answer is an Arrow table, which views and pictures take.

Beside the tables stand the views `scored` (epochs with `_value`, `_loss` and `_violation` of the objectives) and
`ranked` (trials with `place`, from 1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.code.modules import user_frame
from pipeline.engine.commands import STOPPED_BY_USER
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.storage.schema import SECONDS
from pipeline.storage.sessions import driver_seconds
from pipeline.study import Budget
from pipeline.text import first_line, hide_numbers


def _timed(results: Results) -> str:
    """The epochs with their `value`, the `seconds` for which a driver had run when each ended, and whether it `counts`:
    whether the value is finite, within the bounds, and of a trial that did not fail.
    """
    sessions = [
        f"({session.number}, {datetime.fromisoformat(session.started).timestamp() * 1e6:.0f}, "
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
    """How the best value grew: for each epoch in order of time `trial_id`, `seconds`, `value`, whether that `counts`,
    `best`, and whether it `rises`: whether it is a new one.
    """
    table = results.query(
        f"select trial_id, seconds, value, counts from {_timed(results)} order by seconds, trial_id, epoch"
    )
    values = np.where(table["counts"].to_numpy(), table["value"].to_numpy(), np.nan)
    best = (np.fmax if results.objective.mode == "max" else np.fmin).accumulate(values)
    rising = np.isfinite(best) & (best != np.append(np.nan, best)[:-1])
    found = {"best": pa.array(best, from_pandas=True), "rises": rising}
    return pa.table(dict(zip(table.column_names, table.columns, strict=True)) | found)


def rises(results: Results) -> pa.Table:
    """The rows of `progress` at which the best value changed."""
    table = progress(results)
    return table.filter(table["rises"])


def reached(results: Results) -> pa.Table:
    """What epochs reached, in order of time: `seconds` and `value` of those that count."""
    table = progress(results)
    return table.filter(table["counts"]).select(["seconds", "value"])


@cache_per_results
def rungs(results: Results) -> pa.Table:
    """For each `rung` at which trials were compared, how many of them `stopped`."""
    return results.query("""
        with decided as (
            select * from decisions where rung is not null
            qualify row_number() over (partition by trial_id, rung order by number desc) = 1
        )
        select rung, count(*) filter (where kind = 'stop') as stopped from decided group by rung order by rung
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
    """Where the best model's weights came from, the oldest part first: trials with their epochs `after` and `until`."""
    if results.best is None:
        return []
    copied, parts = exploits(results).to_pylist(), list[dict[str, Any]]()
    trial, until = results.best.trial_id, results.best.epoch
    # Of a table that was changed, no circle is followed without end.
    while len(parts) <= len(copied) and (
        last := [row for row in copied if row["trial_id"] == trial and row["epoch"] < until][-1:]
    ):
        parts.insert(0, {"trial_id": trial, "after": last[0]["epoch"], "until": until})
        trial, until = last[0]["parent_trial"], last[0]["parent_epoch"]
    return [{"trial_id": trial, "after": 0, "until": until}, *parts]


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
    states = results.query("select state, count(*) as trials from trials group by state order by state").to_pylist()
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


def ended_by_itself(trial: Mapping[str, Any], results: Results) -> bool:
    """Whether a trial was ended by a callback or its function, and not by its maximum or the study's target."""
    budget = Budget(**results.job["budget"])
    at_target = budget.target_reached(results.objective, trial["objective"], trial["violation"])
    return bool(trial["state"] == "completed" and trial["epochs"] < budget.epochs and not at_target)


def effort(results: Results) -> dict[str, float]:
    """Seconds of all workers by what they did: the phases of an epoch, and `idle`."""
    phases = ", ".join(f"coalesce(sum({column}), 0)::double as {phase}" for phase, column in SECONDS.items())
    spent: dict[str, float] = results.query(f"select {phases} from epochs").to_pylist()[0]
    together = before = 0.0
    for session in results.sessions:
        # A session's seconds include those of the sessions before.
        together += max(session.seconds - before, 0.0) * (session.workers or 1)
        before = max(before, session.seconds)
    return {**spent, "idle": max(0.0, together - sum(spent.values()))}


def changes(results: Results) -> list[dict[str, Any]]:
    """The sessions that continued the study with changed data or code (`kind`)."""
    return [
        {"session": session.number, "kind": kind, "changes": changed}
        for session in results.sessions
        for kind, changed in (("data", session.data_changes), ("code", session.code_changes))
        if changed
    ]


def study_decisions(results: Results) -> pa.Table:
    """What users decided about the whole study while it ran, in order."""
    return results.query(
        "select session, number, time, kind, reason from decisions where trial_id is null order by number"
    )


@dataclass(frozen=True, slots=True)
class Cause:
    """Trials that failed for the same cause."""

    what: str
    where: str
    trials: Sequence[str]
    text: str


def causes(results: Results) -> list[Cause]:
    """The failures grouped by their cause, the most frequent first.

    Errors have the same cause if their first lines are equal except for numbers, and they come from the same line of
    the user's code.
    """
    failed = results.query("select trial_id, error from trials where state = 'failed'")
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for trial, error in zip(failed["trial_id"].to_pylist(), failed["error"].to_pylist(), strict=True):
        text = error if error and error.strip() else "no error was recorded"
        groups.setdefault((hide_numbers(first_line(text)), place(text)), []).append((trial, text))
    found = [
        Cause(first_line(group[0][1]), where, [trial for trial, _ in group], group[0][1])
        for (_, where), group in groups.items()
    ]
    return sorted(found, key=lambda cause: -len(cause.trials))


def place(error: str) -> str:
    """The innermost place of an error in the user's code."""
    frame = user_frame(error)
    return "" if frame is None else f"{PurePath(frame['file']).name}:{frame['line']} in {frame['function']}"
