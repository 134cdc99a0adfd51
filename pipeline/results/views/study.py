"""A study: its leaderboard, its summary, why trials failed, its provenance, and its JSON object (results-json.md)."""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pipeline.results.analysis.parameters import format_value, tuned
from pipeline.results.analysis.queries import causes, changes, study_decisions, trial_counts
from pipeline.results.tables.load import Results, configs_of
from pipeline.results.tables.trials import FRONT, board, objective_columns, pareto_front
from pipeline.results.views.table import STATES, Column, Table, text_table
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.storage.sessions import SessionRecord, sessions_objects
from pipeline.study.files import as_argument
from pipeline.text import counted, duration, first_line, format_number, listed, size

MAX_PARAMETERS = 30
"""The maximum number of hyperparameters in a leaderboard of a page: nobody scrolls through hundreds of columns."""

_MANY, _TRIALS = 8, 12
_COMMAND_ID = re.compile(r" \(command [^()]+\)(?=\.$)")


def number(value: float | None) -> str:
    """A metric's value; a dash for none."""
    return "–" if value is None or value != value else format_number(value)


def leaderboard(
    results: Results, *, top: int | None = None, trials: Sequence[str] | None = None, most: int | None = None
) -> Table:
    """The best trials, or those named by their ids, in that order, each with the config in force at its best epoch; of
    more than `most` hyperparameters, the first ones. Programs get all columns of `trials`.
    """
    found = board(results).drop_columns(["study", "place"])
    if trials is not None:
        places = {trial: place for place, trial in enumerate(found["trial_id"].to_pylist())}
        found = found.take(pa.array([places[trial] for trial in trials], pa.int64()))
    found = found.slice(0, top)
    best = results.best and results.best.trial_id
    rows = [{**row, "is_best": row["trial_id"] == best} for row in rows_with_config(results, found)]
    shown = columns(results, most)
    return Table("", shown, rows, name="trials", look=lambda row: "bold" if row["is_best"] else "")


def columns(results: Results, most: int | None) -> list[Column]:
    """The columns of a study's leaderboard; trial, state and objectives are never left out on a narrow terminal."""
    first, *others = objective_columns(results).items()
    parameters = tuned(results)[:most]
    colour = {state: look.colour for state, look in STATES.items()}
    return [
        Column("trial_id", "trial", keep="whole"),
        Column("objective", first[0], number, right=True, keep="whole"),
        Column("best_epoch", "at epoch", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column("seconds", text="{:.1f}".format, right=True, keep="extra"),
        Column("state", keep="whole", colour=lambda state: colour.get(state, "")),
        *(Column(name, metric, number, right=True, keep="whole") for metric, name in others),
        *([Column(FRONT, text=lambda value: "yes" if value else "", keep="extra")] if others else []),
        *(Column(f"config_{name}", name, right=True, keep="extra") for name in parameters),
    ]


def summary_line(results: Results) -> str:
    """A study in one line: its name, its state, how its trials stand, and how many epochs they trained."""
    states = sorted(trial_counts(results).states.items(), key=lambda state: -state[1])
    trials = ", ".join(f"{count} {state}" for state, count in states) or "no trials yet"
    return f"{results.name}  {results.state}, {trials}; {counted(results.table('epochs').num_rows, 'epoch')}"


def summary(results: Results) -> dict[str, str]:
    """A study in labelled lines, the same for terminal, notebook, report and page; empty lines are left out."""
    job, best, counts = results.job, results.best, trial_counts(results)
    objective, names, last = results.objective, tuned(results), results.sessions[-1] if results.sessions else None
    kinds = {
        **{STATES[state].verb: n for state, n in counts.states.items() if state != "stopped"},
        "stopped early": counts.stopped["comparison"],
        "stopped by a user": counts.stopped["user"],
        "cut off by the study's end": counts.stopped["end"],
    }
    by = [
        known[kind].title if (kind := job[field]["kind"]) in known else kind
        for field, known in (("searcher", SEARCHERS), ("scheduler", SCHEDULERS))
    ]
    data = f" on {job['data']}" if isinstance(job["data"], str) else ""
    sessions = f" in {len(results.sessions)} sessions" if len(results.sessions) > 1 else ""
    several, every = results.objectives, counted(results.table("trials").num_rows, "trial")
    goals = listed(f"{one.metric} ({one.mode})" for one in several)
    failure, trained = last and last.export_failure, sum(results.table("trials")["epochs"].to_pylist())
    lines = {
        "tuned": f"{objective.metric} ({objective.mode}){data} over {_some(names) or 'a fixed config'}",
        "by": f"{' and '.join(by)}, {counted(job['budget']['epochs'], 'epoch')}",
        "best": best and f"{objective.metric} {format_number(best.value)} of trial {best.trial_id}, epoch {best.epoch}",
        "config": best and "  ".join(
            f"{name}={format_value(best.config[name])}" for name in names[:MAX_PARAMETERS] if name in best.config),
        "test split": "  ".join(f"{name} {format_number(value)}" for name, value in (results.test or {}).items()),
        "front": f"{len(pareto_front(results))} of {every} for {goals}; the best trial is that of the first"
        if len(several) > 1 else "",
        "trials": listed(f"{n:,} {what}" for what, n in kinds.items() if n),
        "saved": f"{counts.saved:,} of {counts.whole:,} epochs ({counts.saved / counts.whole:.0%}) by stopping early"
        if counts.saved else "",
        "time": f"{counted(trained, 'epoch')} in {duration(results.seconds)}{sessions}" if results.sessions else "",
        "ended": last.message if last and results.state in ("ended", "failed") else "",
        "not exported": failure and best and f"{failure.rstrip('.')}. "
        f"`tunepipe resume {as_argument(results.location)}` exports the best model.",
        "changed": " ".join(
            f"Session {each['session']} continued with changed {each['kind']}: {'; '.join(each['changes'])}. Values "
            "before and after cannot be compared." for each in changes(results)[-_MANY:]),
        "decided": " ".join(_COMMAND_ID.sub("", first_line(reason))
                            for reason in study_decisions(results)["reason"].to_pylist()[-_MANY:]),
    }  # fmt: skip
    return {label: text for label, text in lines.items() if text}


def _some(items: Sequence[str]) -> str:
    """The first of many items, and how many more there are."""
    return listed(items if len(items) <= _MANY else [*items[:_MANY], f"{len(items) - _MANY} more"]) if items else ""


def failures_table(results: Results) -> Table:
    """Why trials failed, by cause, the most frequent first."""
    found = causes(results)
    columns = [
        Column("count", "trials", right=True),
        Column("error", keep="wrapped"),
        Column("where", keep="wrapped"),
        Column("trials", "which", text=_ids, keep="wrapped"),
    ]
    rows = [
        {"count": len(cause.trials), "error": cause.what, "where": cause.where or None, "trials": list(cause.trials)}
        for cause in found
    ]
    failed = sum(len(cause.trials) for cause in found)
    example = f"tunepipe results {as_argument(results.location)} --trial {found[0].trials[0]}" if found else ""
    note = f"{counted(failed, 'trial')} failed; `{example}` shows a trial's whole error." if found else ""
    return Table("Why trials failed", columns, rows, note, "failures", most=_MANY)


def _ids(trials: Sequence[str]) -> str:
    return ", ".join([*trials[:_TRIALS], *(["…"] if len(trials) > _TRIALS else [])])


def provenance_in_words(sessions: Sequence[SessionRecord]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The sessions with a record of where their numbers come from, each with lines of label and text."""
    found = []
    for session in sessions:
        # A study may come from anyone, and have anything there.
        with suppress(LookupError, TypeError, ValueError, AttributeError):
            recorded = session.provenance or {}
            git, machine, started = recorded["git"], recorded["machine"], session.started
            changed = ", with uncommitted changes" if git and git["dirty"] else ""
            parts = [machine["host"], machine["system"], machine["cpu"], counted(machine["cores"], "core")]
            parts += [f"{size(machine['memory'])} of memory", *machine["gpus"]]
            lines = [
                ("command", shlex.join(recorded["command"])),
                ("commit", f"{git['commit']}{changed}" if git else "unknown"),
                ("versions", ", ".join(f"{name} {version}" for name, version in recorded["versions"].items())),
                ("machine", ", ".join(part for part in parts if part)),
                ("seed", str(recorded["seed"])),
            ]
            found.append((f"session {session.number}, {started[:10]} {started[11:19]} UTC", lines))
    return found


def results_object(results: Results, top: int | None = None) -> dict[str, Any]:
    """The object that `results --json` prints."""
    tables = [
        leaderboard(results, top=top),
        failures_table(results),
        Table("", [Column(key) for key in ("session", "kind", "changes")], changes(results), name="changes"),
        text_table(study_decisions(results), "decisions"),
    ]
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objectives": [
            {name: value for name, value in asdict(one).items() if value is not None} for one in results.objectives
        ],
        "best": results.best and asdict(results.best),
        "test": results.test,
        "sessions": sessions_objects(results.sessions),
        "tables": [table.as_object() for table in tables],
    }


def rows_with_config(results: Results, table: pa.Table) -> list[dict[str, Any]]:
    """Rows as values, with those of a config as they were drawn."""
    fixed = table.select([name for name in table.column_names if not name.startswith("config_")])
    rows = zip(fixed.to_pylist(), configs_of(table, results.space), strict=True)
    return [{**row, **{f"config_{name}": config.get(name) for name in results.space}} for row, config in rows]
