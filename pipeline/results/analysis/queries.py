"""What a study's tables say, as queries in DuckDB: each answer is an Arrow table, which views and pictures take.

Beside the tables stand the views `scored` (epochs with `_value`, `_loss` and `_violation` of the objectives) and
`ranked` (trials with `place`, from 1).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from pipeline.engine.commands import STOPPED_BY_USER
from pipeline.engine.reporting import is_over
from pipeline.results.tables.load import Results, cache_per_results
from pipeline.results.tables.trials import quoted
from pipeline.space import Domain
from pipeline.storage.schema import SECONDS, column_of
from pipeline.storage.sessions import driver_seconds
from pipeline.study import Budget

PHASES = ("build", "train", "evaluate", "checkpoint")
"""The phases of an epoch whose seconds are measured."""

COSTS = {"updates": "updates of the weights", "seconds": "seconds of training"}
"""The costs of an epoch that can be shown."""

_MAX_SPREADS = 32

# The first epoch after a start, or after a model was built, also compiles, and says nothing about another one.
_STEADY = """(
    with stretches as (select trial_id, session, attempt, segment, min(epoch) as epoch from epochs group by all)
    select trial_id, node, coalesce(seconds_train, 0) + coalesce(seconds_evaluate, 0) as seconds
    from epochs anti join stretches using (trial_id, session, attempt, segment, epoch)
    where coalesce(seconds_build, 0) = 0
)"""

STOPS = f"""(
    with last as (
        select trial_id, cutoff is not null or rung is not null as compared, reason from decisions where kind = 'stop'
        qualify row_number() over (partition by trial_id order by number desc) = 1
    )
    select trial_id, epochs, objective, violation, case when compared then 'comparison'
        when starts_with(reason, '{STOPPED_BY_USER}') then 'user' else 'end' end as stopped_by
    from trials left join last using (trial_id) where state = 'stopped'
)"""
"""The stopped trials, and what stopped each: `comparison` with other trials, a `user`, or the study's `end`."""


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
    """How the best value grew: for each epoch in order of time `trial_id`, `seconds`, `epochs`, `trials` and `best`."""
    return results.query(f"""
        with firsts as (select trial_id, min(epoch) as first_epoch from epochs group by trial_id)
        select trial_id, seconds, row_number() over w as epochs,
            sum((epoch = first_epoch)::int) over w as trials,
            {results.objective.mode}(case when counts then value end) over w as best
        from {timed(results)} join firsts using (trial_id)
        window w as (order by seconds, trial_id, epoch rows unbounded preceding) order by epochs
    """)


@cache_per_results
def rises(results: Results) -> pa.Table:
    """The rows of `progress` at which the best value changed."""
    table, best = progress(results), progress(results)["best"].to_pylist()
    changed = [now is not None and now != before for now, before in zip(best, [None, *best], strict=False)]
    return table.filter(pa.array(changed, pa.bool_()))


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
    """The trials of `STOPS`."""
    return results.query(f"select * from {STOPS}")


@dataclass(frozen=True, slots=True)
class TrialCounts:
    """How many trials ended in which way: by state, and those that stopped by what stopped them.

    Comparisons `saved` epochs of `whole`, which these trials and the completed ones would have trained.
    """

    states: Mapping[str, int]
    stopped: Mapping[str, int]
    saved: int
    whole: int


@cache_per_results
def trial_counts(results: Results) -> TrialCounts:
    """Count the trials of a study."""
    most, stopped = int(results.job["budget"]["epochs"]), stops(results).to_pylist()
    states = results.query("select state, count(*) as trials from trials group by state").to_pylist()
    by_state = {row["state"]: row["trials"] for row in states}
    by = {who: sum(row["stopped_by"] == who for row in stopped) for who in ("comparison", "user", "end")}
    saved = sum(max(most - row["epochs"], 0) for row in stopped if row["stopped_by"] == "comparison")
    return TrialCounts(by_state, by, saved, most * (by["comparison"] + by_state.get("completed", 0)))


def ended_by_itself(trial: Mapping[str, Any], results: Results) -> bool:
    """Whether a trial was ended by a callback or its function, and not by its maximum or the study's target."""
    budget = Budget(**results.job["budget"])
    at_target = budget.target_reached(results.objective, trial["objective"], trial["violation"])
    return bool(trial["state"] == "completed" and not is_over(budget, trial["epochs"], reached=at_target))


def epoch_seconds(results: Results) -> dict[str, float | None]:
    """Seconds that another epoch of each trial takes: the median of its steady epochs, else of such medians."""
    rows = results.query(f"""
        with medians as (select trial_id, median(seconds) as seconds from {_STEADY} group by trial_id)
        select trial_id, coalesce(m.seconds, (select median(seconds) from medians)) as seconds
        from trials left join medians m using (trial_id)
    """)
    return dict(zip(rows["trial_id"].to_pylist(), rows["seconds"].to_pylist(), strict=True))


def node_seconds(results: Results) -> dict[str, float]:
    """Median seconds of a steady epoch, by node."""
    rows = results.query(f"select node, median(seconds) from {_STEADY} where node is not null group by node")
    return dict(zip(*(column.to_pylist() for column in rows.columns), strict=True))


@dataclass(frozen=True, slots=True)
class Effort:
    """Seconds of a study, over all its workers: for each trial (`trial_id`) those of each phase, and the idle ones."""

    trials: pa.Table
    workers: int
    idle: float

    @property
    def phases(self) -> dict[str, float]:
        """The seconds of each phase over all trials."""
        return {phase: sum(self.trials[phase].to_pylist()) for phase in PHASES}


@cache_per_results
def effort(results: Results) -> Effort:
    """Add up the seconds of a study."""
    sums = ", ".join(f"coalesce(sum({SECONDS[phase]}), 0)::double as {phase}" for phase in PHASES)
    trials = results.query(f"""
        select t.trial_id, {sums} from (select trial_id from trials) t left join epochs using (trial_id)
        group by t.trial_id order by length(t.trial_id), t.trial_id
    """)
    workers = max([1, *(int(session.get("workers") or 0) for session in results.sessions)])
    together = before = 0.0
    for session in results.sessions:
        # A session's seconds include those of the sessions before.
        until = float(session.get("seconds") or 0)
        together += max(until - before, 0.0) * int(session.get("workers") or workers)
        before = max(before, until)
    spent = Effort(trials, workers, 0.0)
    return Effort(trials, workers, max(0.0, together - sum(spent.phases.values())))


def has_costs(results: Results) -> bool:
    """Whether epochs cost different amounts, because batch sizes differ, and updates were counted."""
    counted = results.query("select count(updates) > 0 as counted from epochs")["counted"][0].as_py()
    return bool(counted) and isinstance(results.space.get("batch_size"), Domain)


@cache_per_results
def costs(results: Results) -> pa.Table:
    """The objective of every epoch (`value`) with its costs until then."""
    return results.query("""
        select trial_id, value, updates::double as updates, seconds from (
            select trial_id, epoch, updates, _value as value,
                sum(seconds_train) over (partition by trial_id order by epoch) as seconds from scored
        ) where isfinite(value) and updates is not null order by length(trial_id), trial_id, epoch
    """)


@cache_per_results
def spreads(results: Results) -> pa.Table:
    """Trials that train several models, the best first: `mean`, `std` and `each` model's value at the best epoch."""
    metric, names = results.objective.metric, results.metric_names
    column, columns = column_of(metric, names), results.table("epochs").column_names
    deviation = next((one for one in (column_of(f"{metric}_std", names), f"{column}_std") if one in columns), None)
    if deviation is None:
        return pa.table({"trial_id": pa.array([], pa.string())})
    model = re.compile(rf"({re.escape(metric)}|{re.escape(column)})_(fold\d+|repeat\d+)(_repeat\d+)?")
    each = ", ".join(quoted(name) for name in columns if model.fullmatch(names.get(name, name)))
    return results.query(f"""
        select r.trial_id, {quoted(column)} as mean, {quoted(deviation)} as std, [{each}] as each
        from ranked r join epochs e on e.trial_id = r.trial_id and e.epoch = r.best_epoch
        where isfinite({quoted(column)}) order by place limit {_MAX_SPREADS}
    """)


@cache_per_results
def changes(results: Results) -> list[dict[str, Any]]:
    """The sessions that continued the study with changed data or code (`kind`), and the trials with epochs of sessions
    before (`trials_before`) and since (`trials_since`).
    """
    found = []
    for session in results.sessions:
        for kind in ("data", "code"):
            if session.get(f"{kind}_changes"):
                number = int(session["number"])
                rows = results.query(f"""
                    select trial_id, min(session) < {number} as before, max(session) >= {number} as since
                    from epochs group by trial_id order by length(trial_id), trial_id
                """).to_pylist()
                trials = {
                    f"trials_{when}": [row["trial_id"] for row in rows if row[when]] for when in ("before", "since")
                }
                found.append({"session": number, "kind": kind, "changes": list(session[f"{kind}_changes"]), **trials})
    return found


def study_decisions(results: Results) -> pa.Table:
    """What users decided about the whole study while it ran, in order."""
    return results.query(
        "select session, number, time, kind, reason from decisions where trial_id is null order by number"
    )
