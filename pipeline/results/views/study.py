"""A study: its leaderboard, its summary, why trials failed, and its JSON object (docs/results-json.md)."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.results.analysis.comparison import hypervolume_of
from pipeline.results.analysis.failure_causes import causes, first_line
from pipeline.results.analysis.parameters import by_influence, format_value, shown_parameters, tuned
from pipeline.results.analysis.queries import changes, study_decisions, trial_counts
from pipeline.results.tables.load import Results, StudyRow
from pipeline.results.tables.trials import configs_of, objective_column, objective_columns, pareto_front, quoted
from pipeline.results.views.table import STATES, Column, Table, plain
from pipeline.schedulers import SCHEDULERS
from pipeline.searchers import SEARCHERS
from pipeline.space import column_type
from pipeline.storage.sessions import sessions_objects
from pipeline.study.studies import as_argument
from pipeline.text import counted, duration, format_number, listed

MAX_PARAMETERS = 30
"""The maximum number of hyperparameters in a leaderboard of a page: nobody scrolls through hundreds of columns."""

_MANY, _TRIALS = 8, 12
_COMMAND_ID = re.compile(r" \(command [^()]+\)(?=\.$)")


def number(value: float | None) -> str:
    """A metric's value; a dash for none."""
    return "–" if value is None or value != value else format_number(value)


def _state_colour(state: str) -> str:
    return STATES[state].colour if state in STATES else ""


def leaderboard(
    studies: Mapping[str, Results],
    *,
    top: int | None = None,
    trials: Sequence[tuple[str, str]] | None = None,
    most: int | None = None,
) -> Table:
    """Trials of one or more studies, each with the config in force at its best epoch.

    They are the best of each study, or those named by study and id, in that order; with the most influential
    hyperparameters where there are more than `most`.
    """
    rows = {
        label: _rows(results, top, None if trials is None else {trial for name, trial in trials if name == label})
        for label, results in studies.items()
    }
    order = [(label, trial) for label, own in rows.items() for trial in own] if trials is None else trials
    shown = [{"study": label, **rows[label][trial]} for label, trial in order]
    more = "a wider terminal or --format csv shows all, --columns those of your choice"
    if len(studies) > 1:
        return Table("", _common_columns(studies, most), shown, more=more, look=_bold)
    (results,) = studies.values()
    found = columns(results, most)

    def least_telling_first() -> list[str]:
        keys = {column.key for column in found}
        return [key for name in reversed(by_influence(results)) if (key := f"config_{name}") in keys]

    return Table("", found, shown, more=more, first_out=least_telling_first, look=_bold)


def _bold(row: Mapping[str, Any]) -> str:
    return "bold" if row["is_best"] else ""


def columns(results: Results, most: int | None = None) -> list[Column]:
    """The columns of a study's leaderboard; trial, state and objectives are never left out on a narrow terminal."""
    names, (first, *others) = _objective_keys(results), results.objectives
    parameters = tuned(results) if most is None else shown_parameters(results, most)
    return [
        Column("trial_id", "trial", keep="whole"),
        Column("objective", first.metric, number, right=True, keep="whole"),
        Column("best_epoch", "at epoch", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column("seconds", text="{:.1f}".format, right=True, keep="extra"),
        Column("state", keep="whole", colour=_state_colour),
        *(Column(names[one.metric], one.metric, number, right=True, keep="whole") for one in others),
        *([Column("front", text=lambda value: "yes" if value else "", keep="extra")] if others else []),
        *(Column(f"config_{name}", name, right=True, keep="extra") for name in parameters),
    ]


def is_numeric(results: Results, column: Column) -> bool:
    """Whether a column of a leaderboard holds numbers alone."""
    if column.key.startswith("config_"):
        return str(column_type(results.space[column.key.removeprefix("config_")])) in ("int64", "double")
    return column.key not in ("trial_id", "state", "front")


def _common_columns(studies: Mapping[str, Results], most: int | None) -> list[Column]:
    """The columns of all studies: each metric has its own, those of the first objectives after the trial."""
    found: dict[str, Column] = {}
    for results in studies.values():
        metrics = {key: metric for metric, key in _objective_keys(results).items()}
        for one in columns(results, most):
            key = f"metric {metrics[one.key]}" if one.key in metrics else one.key
            found.setdefault(key, Column(key, one.heading, one.text, one.right, one.keep, one.colour))
    first = dict.fromkeys(["trial_id", *(f"metric {results.objective.metric}" for results in studies.values())])
    kinds = ["best_epoch", "epochs", "seconds", "state", "front"]
    rest = sorted(
        (key for key in found if key not in first), key=lambda key: (key not in kinds[:4], key.startswith("config_"))
    )
    return [Column("study"), *(found[key] for key in [*first, *rest])]


def _objective_keys(results: Results) -> dict[str, str]:
    """The keys of the objectives in a row, by metric: in `--where` they are columns of that name."""
    return objective_columns(results)


def _rows(results: Results, top: int | None, only: Collection[str] | None) -> dict[str, dict[str, Any]]:
    """Trials of a study by id, the best first: what `columns` shows, and each objective as `metric NAME`."""
    keys, epochs = _objective_keys(results), results.table("epochs").column_names
    sources = {keys[one.metric]: objective_column(one.metric, results) for one in results.objectives[1:]}
    others = {key: column for key, column in sources.items() if column in epochs}
    more = "".join(f", e.{quoted(column)} as {quoted(key)}" for key, column in others.items())
    join = "left join epochs e on e.trial_id = r.trial_id and e.epoch = r.best_epoch" if more else ""
    limit = f"limit {top}" if top is not None and only is None else ""
    table = results.query(f"select r.*{more} from ranked r {join} order by place {limit}")
    if only is not None:
        table = table.filter(pc.is_in(table["trial_id"], value_set=pa.array(sorted(only), pa.string())))
    front = {point.trial_id for point in pareto_front(results)} if sources else set()
    best, fixed = (
        results.best and results.best.trial_id,
        ["trial_id", "objective", "best_epoch", "epochs", "seconds", "state"],
    )
    rows = {}
    for row, config in zip(table.select([*fixed, *others]).to_pylist(), configs_of(table, results.space), strict=True):
        row |= {f"metric {metric}": row.get(key) for metric, key in keys.items()}
        row |= {f"config_{name}": value for name, value in config.items()}
        rows[row["trial_id"]] = {**row, "front": row["trial_id"] in front, "is_best": row["trial_id"] == best}
    return rows


def summary_line(results: Results) -> str:
    """A study in one line: its name, its state, how its trials stand, and how many epochs they trained."""
    states = sorted(trial_counts(results).states.items(), key=lambda state: -state[1])
    trials = ", ".join(f"{count} {state}" for state, count in states) or "no trials yet"
    return f"{results.name}  {results.state}, {trials}; {counted(results.table('epochs').num_rows, 'epoch')}"


def summary(results: Results) -> dict[str, str]:
    """A study in labelled lines, the same for terminal, notebook, report and page; empty lines are left out."""
    job, best, counts = results.job, results.best, trial_counts(results)
    objective, trials = results.objective, results.table("trials")
    names = tuned(results) if len(tuned(results)) <= _MANY else by_influence(results)
    kinds = {
        **{STATES[state].verb: n for state, n in counts.states.items() if state != "stopped"},
        "stopped early": counts.stopped["comparison"],
        "stopped by a user": counts.stopped["user"],
        "cut off by the study's end": counts.stopped["end"],
    }
    searcher, scheduler = SEARCHERS.get(job["searcher"]["kind"]), SCHEDULERS.get(job["scheduler"]["kind"])
    data = f" on {job['data']}" if isinstance(job["data"], str) else ""
    sessions = f" in {len(results.sessions)} sessions" if len(results.sessions) > 1 else ""
    failure = results.sessions[-1].get("winner_failure") if results.sessions else None
    trained = int(pc.sum(trials["epochs"]).as_py() or 0)
    lines = {
        "tuned": f"{objective.metric} ({objective.mode}){data} over {_some(names) or 'a fixed config'}",
        "by": f"{searcher.title if searcher else job['searcher']['kind']} and "
        f"{scheduler.title if scheduler else job['scheduler']['kind']}, {counted(job['budget']['epochs'], 'epoch')}",
        **training_lines(job),
        "best": best and f"{objective.metric} {format_number(best.value)} of trial {best.trial_id}, epoch {best.epoch}",
        "config": best and "  ".join(
            f"{name}={format_value(best.config[name])}" for name in names[:MAX_PARAMETERS] if name in best.config),
        "test split": "  ".join(f"{name} {format_number(value)}" for name, value in (results.test or {}).items()),
        **objective_lines(results),
        "trials": listed(f"{n:,} {what}" for what, n in kinds.items() if n),
        "saved": f"{counts.saved:,} of {counts.whole:,} epochs ({counts.saved / counts.whole:.0%}) by stopping early"
        if counts.saved else "",
        "time": f"{counted(trained, 'epoch')} in {duration(results.seconds)}{sessions}" if results.sessions else "",
        "ended": results.sessions[-1]["message"] if results.state in ("finished", "failed") else "",
        "not exported": failure and best and f"{failure.rstrip('.')}. `tunepipe export {as_argument(results.location)} "
        "--to FOLDER` exports and evaluates the best model again.",
        "changed": " ".join(
            f"Session {each['session']} continued with changed {each['kind']}: {'; '.join(each['changes'])}. Trained "
            f"before: {_some(each['trials_before'])}; since: {_some(each['trials_since'])}. Values cannot be compared."
            for each in changes(results)[-_MANY:]),
        "decided": " ".join(_COMMAND_ID.sub("", first_line(reason))
                            for reason in study_decisions(results)["reason"].to_pylist()[-_MANY:]),
    }  # fmt: skip
    return {label: text for label, text in lines.items() if text}


def _some(items: Sequence[str]) -> str:
    """The first of many items, and how many more there are."""
    return listed(items if len(items) <= _MANY else [*items[:_MANY], f"{len(items) - _MANY} more"]) if items else ""


def objective_lines(results: Results) -> dict[str, str]:
    """The front of several objectives and what it dominates, and how many trials are within bounds."""
    objectives, trials, found = results.objectives, results.table("trials"), hypervolume_of(results)
    lines, every = dict[str, str](), counted(trials.num_rows, "trial")
    if len(objectives) > 1:
        names = listed(f"{one.metric} ({one.mode})" for one in objectives)
        number_on = len(pareto_front(results))
        lines["front"] = f"{number_on} of {every} are on the front of {names}; the best is the best in the first"
    if bounds := [
        f"{one.metric} {words} {format_number(limit)}"
        for one in objectives
        for words, limit in (("at most", one.at_most), ("at least", one.at_least))
        if limit is not None
    ]:
        lines["bounds"] = (
            f"{pc.sum(pc.equal(trials['violation'], 0)).as_py() or 0} of {every} are within {listed(bounds)}"
        )
    if found is not None:
        box, share = found
        best, reference = (
            listed(f"{metric} {format_number(value)}" for metric, value in at.items())
            for at in (box.best, box.reference)
        )
        lines["hypervolume"] = (
            f"{share:.1%} of the box from {best} (the best on the front) to {reference} (the reference point)"
        )
    return lines


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


def fit_arguments(job: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of fit that a job gives; a function is its name with `(config)`."""
    given, defaults = job.get("fit") or {}, {"shuffle": True}
    values = {name: value for name, value in given.items() if value is not None and value != defaults.get(name)}
    return {name: f"{_function(value)}(config)" if _function(value) else value for name, value in values.items()}


def training_lines(job: Mapping[str, Any]) -> dict[str, str]:
    """How a job trains: the arguments of fit and the phases, each in a line."""
    given = fit_arguments(job).items()
    return {
        "fit": "  ".join(f"{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in given),
        "phases": "  ".join(f"{phase['prepare']} after epoch {phase['at']}" for phase in phases_of(job)),
    }


def phases_of(job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The phases of a job: when each begins, and the name of its function."""
    return [{"at": phase["at"], "prepare": _function(phase.get("prepare"))} for phase in job.get("phases") or ()]


def _function(value: Any) -> str | None:
    name = value.get("function") if isinstance(value, Mapping) else None
    return name.rpartition(":")[2] if isinstance(name, str) else None


def results_object(results: Results, top: int | None = None) -> dict[str, Any]:
    """The object that `results --json` prints."""
    box = hypervolume_of(results)
    limit = "order by length(trial_id), trial_id" if top is None else f"order by place limit {top}"
    return {
        "study": results.name,
        "state": results.state,
        "location": results.location,
        "seconds": results.seconds,
        "objectives": [
            {name: value for name, value in asdict(one).items() if value is not None} for one in results.objectives
        ],
        "best": results.best and asdict(results.best),
        "test": None if results.test is None else plain(results.test),
        "trials": rows_with_config(results, results.query(f"select * exclude (place, study) from ranked {limit}")),
        "front": [asdict(point) for point in pareto_front(results)],
        "hypervolume": box and {"share": box[1], **asdict(box[0])},
        "metric_names": dict(results.metric_names),
        "failures": failures_table(results).as_object()["rows"],
        "changes": changes(results),
        "decisions": plain(study_decisions(results).to_pylist()),
        "sessions": sessions_objects(results.sessions),
    }


def rows_with_config(results: Results, table: pa.Table) -> list[dict[str, Any]]:
    """Rows as JSON values, with a config as an object in place of its columns."""
    fixed = table.select([name for name in table.column_names if not name.startswith("config_")])
    rows = zip(fixed.to_pylist(), configs_of(table, results.space), strict=True)
    return [{**plain(row), "config": config} for row, config in rows]


def studies_object(studies: Iterable[StudyRow]) -> dict[str, Any]:
    """The object that `studies --json` prints."""
    return {"studies": [plain(asdict(study)) for study in studies]}
