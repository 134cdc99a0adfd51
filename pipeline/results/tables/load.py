"""A study's folder → its tables, its state and its best trial; and the studies of a storage at a glance."""

import hashlib
import math
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, wraps
from html import escape
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

import pyarrow as pa

from pipeline.errors import InvalidJob, StorageError, UserError
from pipeline.space import Config, ParameterPath, Space, Value, config_value, listed_values, walk
from pipeline.storage import Store, layout
from pipeline.storage.schema import SCHEMA_VERSION, arrow_schema
from pipeline.storage.sessions import SessionRecord, driver_seconds, read_sessions, state_of
from pipeline.storage.tables import (
    DRAW_ORDER,
    Tables,
    connect,
    parameters_of,
    read_tables,
    scored_sql,
    space_of,
)
from pipeline.study import Objective, TuneJob
from pipeline.study.files import no_study, read_document, read_job, recorded_data, study_names
from pipeline.study.specification import ranking_sql
from pipeline.text import counted, sanitize, sanitize_line

if TYPE_CHECKING:
    import pandas as pd

_AT_ONCE = 8
"""Studies that are read in parallel: an object store answers slowly, but answers several requests at once."""

_SHOWN = 10
"""The number of trials that a notebook shows."""

_STAMPED = ("sessions", "epochs", "decisions", "export", "commands")
"""The folders whose files change when a study does."""

_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Best:
    """The best a study has reached."""

    trial_id: str
    value: float
    epoch: int
    config: Config


@dataclass(frozen=True, eq=False)
class Results:
    """A study's tables, state and best trial at the time of reading.

    `trials`, `epochs` and `decisions` are pandas frames; `table` and `query` give Arrow tables, without pandas.
    """

    study: Mapping[str, Any]
    tables: Tables
    sessions: Sequence[SessionRecord]
    state: str
    location: str
    test: Mapping[str, float] | None = None
    _shared: "list[pd.DataFrame]" = field(default_factory=list, init=False)

    @cached_property
    def best(self) -> Best | None:
        """The best epoch of the best trial; None if no trial has a value."""
        found = self.query("select * from ranked where place = 1 and state <> 'failed' and objective is not null")
        for row, config in zip(found.to_pylist(), configs_of(found, self.space), strict=True):
            return Best(row["trial_id"], row["objective"], row["best_epoch"], config)
        return None

    @cached_property
    def trials(self) -> "pd.DataFrame":
        """One row for each trial."""
        return self._frame("trials")

    @cached_property
    def epochs(self) -> "pd.DataFrame":
        """One row for each epoch of each trial."""
        return self._frame("epochs")

    @cached_property
    def decisions(self) -> "pd.DataFrame":
        """One row for each decision."""
        return self._frame("decisions")

    def _frame(self, name: str) -> "pd.DataFrame":
        # Arrow's memory is read-only. Pandas copies what two frames share before it changes a value of one.
        self._shared.append(as_frame(self.table(name)))
        return self._shared[-1].copy(deep=False)

    def table(self, name: str) -> pa.Table:
        """A table as Arrow has read it."""
        table: pa.Table = getattr(self.tables, name)
        return table

    def query(self, sql: str) -> pa.Table:
        """The answer to a SELECT over the views `epochs`, `decisions`, `trials`, `scored` and `ranked`.

        `scored` is `epochs` with the first objective's `_value`, its `_loss` (less is better), and the `_violation` of
        all bounds. `ranked` is `trials` with each one's `place`, from 1.
        """
        lock, database = self._database
        with lock:
            return database.sql(sql).to_arrow_table()

    @cached_property
    def _database(self) -> tuple[threading.Lock, Any]:
        database = connect()
        for name in ("epochs", "decisions", "trials"):
            database.register(name, self.table(name))
        loss = "-objective" if self.objective.mode == "max" else "objective"
        order = ", ".join([*ranking_sql(loss), DRAW_ORDER])
        database.sql(f"create temp view scored as {scored_sql(self.study, self.tables.epochs.schema)}")
        database.sql(f"create temp table ranked as select *, row_number() over (order by {order}) as place from trials")
        return threading.Lock(), database

    @property
    def job(self) -> Mapping[str, Any]:
        """The job as JSON values."""
        return self.study["job"]  # type: ignore[no-any-return]

    @property
    def data(self) -> Mapping[str, Any] | None:
        """The fingerprint of the training data; None if there is none."""
        return self.study.get("data")

    @property
    def name(self) -> str:
        """The study's name."""
        return str(self.job["name"])

    @property
    def objective(self) -> Objective:
        """The first objective: what `best` means."""
        return Objective(**self.job["objectives"][0])

    @property
    def objectives(self) -> list[Objective]:
        """All objectives, the first one first."""
        return [Objective(**fields) for fields in self.job["objectives"]]

    @cached_property
    def space(self) -> Space:
        """What was tuned: parameter name → domain or constant, those of a switch's branches included."""
        return parameters_of(self.study)

    @property
    def parameters(self) -> list[ParameterPath]:
        """The path of each parameter; one that several branches have is listed once for each."""
        return list(walk(space_of(self.study)))

    @property
    def seconds(self) -> float:
        """Seconds a driver was alive, over all sessions."""
        return driver_seconds(self.sessions)

    def __repr__(self) -> str:
        metric = sanitize_line(self.objective.metric)
        best = f", best {metric}={self.best.value:.6g} of trial {self.best.trial_id}" if self.best else ""
        trials, epochs = (counted(self.table(f"{one}s").num_rows, one) for one in ("trial", "epoch"))
        return f"<Results of {self.name!r}: {self.state}, {trials}, {epochs}{best}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: the study in a line, and its best trials."""
        columns = ["trial_id", "state", "objective", "best_epoch", "epochs", "seconds"]
        columns += [name for name in self.tables.trials.column_names if name.startswith("config_")]
        best = self.query(f"select * from ranked order by place limit {_SHOWN}").select(columns)
        shown = as_frame(best).to_html(index=False, border=0, na_rep="–", max_cols=20)
        more = self.tables.trials.num_rows - best.num_rows
        rest = f"<p>… and {more} more in <code>.trials</code>.</p>" if more > 0 else ""
        return sanitize(f"<p>{escape(repr(self))}</p>{shown}{rest}")


def cache_per_results(compute: Callable[[Results], _Answer]) -> Callable[[Results], _Answer]:
    """Decorate a function so that it computes its answer once for the same results, and keeps it as long as these."""
    answers: WeakKeyDictionary[Results, _Answer] = WeakKeyDictionary()

    @wraps(compute)
    def answer(results: Results) -> _Answer:
        if results not in answers:
            answers[results] = compute(results)
        return answers[results]

    return answer


def as_frame(table: pa.Table) -> "pd.DataFrame":
    """A table in pandas; whole numbers that some rows lack stay whole numbers."""
    # As blocks of one column each, which are not copied where Arrow's memory can be shared.
    frame: pd.DataFrame = table.to_pandas(split_blocks=True)
    gaps = [one.name for one in table.schema if pa.types.is_integer(one.type) and table[one.name].null_count]
    optional = [name for name in ("best_epoch", "rung", "parent_epoch") if name in frame.columns]
    return frame.astype(dict.fromkeys({*optional, *gaps}, "Int64"))


def postpone_pandas() -> None:
    """Keep PyArrow from importing pandas before there is a frame: pandas takes longer to import than a leaderboard.

    PyArrow looks for pandas once, at the first list that it converts. Here it finds none; `to_pandas` imports it in any
    case. This is for a command: a process in which every frame comes from a table.
    """
    if "pandas" not in sys.modules:
        finder: Any = SimpleNamespace(find_spec=_hide_pandas)
        sys.meta_path.insert(0, finder)
        pa.array([])
        sys.meta_path.remove(finder)


def _hide_pandas(name: str, *_: object) -> None:
    if name == "pandas":
        raise ModuleNotFoundError(name=name)


def load_results(path_or_uri: str | Path, *, now: datetime | None = None, whole: bool = True) -> Results:
    """Read a study, even while it runs.

    Args:
        path_or_uri: The study's folder: a local path or a URI.
        now: The time at which to judge whether a driver is silent; the current time unless given.
        whole: Whether `epochs` has all columns, or only those that a report needs, which take half the time to read.

    Returns:
        The study's tables as pandas DataFrames, its state and its best trial.

    Raises:
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    store = Store(path_or_uri)
    study = read_study(store)
    # Sessions first: a study that has ended has all of its rows.
    sessions = read_sessions(store)
    results = Results(study, read_tables(store, study, whole=whole), sessions, state_of(sessions, now), store.uri)
    return replace(results, test=_test(store, results.best))


def configs_of(rows: pa.Table, space: Space) -> list[Config]:
    """The config in the config_* columns of each row, each value as it was drawn; empty ones are left out."""
    configs: list[Config] = [{} for _ in range(rows.num_rows)]
    for name, domain in space.items():
        if (column := f"config_{name}") not in rows.column_names:
            continue
        listed, meant = listed_values(domain), dict[Any, Value]()
        for config, value in zip(configs, rows[column].to_pylist(), strict=True):
            if value is None or value != value:
                continue
            # Each kind of value is looked for once: there are as many as the domain has.
            if listed is not None and (key := (type(value), value)) not in meant:
                meant[key] = config_value(value, listed)
            config[name] = value if listed is None else deepcopy(meant[key])
    return configs


def read_study(store: Store) -> Mapping[str, Any]:
    """The content of study.json, its job checked as a whole, and the fingerprint of its data or None; none of the job's
    code is loaded.
    """
    try:
        fields, data = read_job(store), recorded_data(read_document(store))
    except FileNotFoundError:
        raise no_study(store) from None
    try:
        job = TuneJob.from_json(fields, load=False)
    except InvalidJob as error:
        raise InvalidJob(f"{layout.STUDY} in {store.uri}", error.faults) from None
    return {"schema_version": SCHEMA_VERSION, "job": job.to_json(), "data": data}


def _test(store: Store, best: Best | None) -> Mapping[str, float] | None:
    """What the study's winner scored on the test split, if the export is of the best there is now."""
    try:
        winner = store.read_json(layout.WINNER)
        if best is None or (winner["trial_id"], winner["epoch"]) != (best.trial_id, best.epoch):
            return None
        scores = winner["metrics"].items()
        return {name: math.nan if value is None else float(value) for name, value in scores}
    except FileNotFoundError:
        return None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        raise StorageError(
            f"{layout.WINNER} in {store.uri} does not describe a best trial. Delete it: the next export writes one."
        ) from None


def stamp(store: Store) -> str:
    """A digest of which files the tables and sessions of a study have, and of their sizes."""
    return hashlib.sha256(repr([store.sizes(folder) for folder in _STAMPED]).encode()).hexdigest()[:16]


def labels(named: Sequence[tuple[str, Results]]) -> dict[str, Results]:
    """Studies by a unique label: their names, or what the caller calls them where two have the same name."""
    apart = {sanitize(given): results for given, results in named}
    by_name = {results.name: results for results in apart.values()}
    return by_name if len(by_name) == len(apart) else apart


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A summary of a study."""

    name: str
    location: str
    state: str
    trials: int = 0
    epochs: int = 0
    metric: str | None = None
    best: float | None = None
    started: datetime | None = None
    fault: str | None = None


_SUMMARISED = ["state", "objective", "violation", "epochs"]


def overview(store: Store) -> list[StudyRow]:
    """The studies of a storage, the newest last; those that never started come first."""
    moment = datetime.now(UTC)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda name: _summary(store.folder(name), name, moment), study_names(store)))
    return sorted(rows, key=lambda row: (row.started is not None, row.started or moment, row.name))


def _summary(store: Store, name: str, now: datetime) -> StudyRow:
    """A summary of a study, from the table `trials` that its driver stored last, without the parts."""
    import pyarrow.compute as pc

    try:
        study = read_study(store)
        objective, sessions = Objective(**study["job"]["objectives"][0]), read_sessions(store)
        needed = [field for field in arrow_schema("trials", {}) if field.name in _SUMMARISED]
        try:
            trials = store.read_table(layout.TRIALS).select(_SUMMARISED).cast(pa.schema(needed))
        except (FileNotFoundError, StorageError, KeyError, pa.ArrowException):
            # There is none yet, or it is damaged.
            trials = read_tables(store, study).trials
        scored = trials.filter(pc.and_(pc.not_equal(trials["state"], "failed"), pc.is_valid(trials["objective"])))
        scored = scored.filter(pc.equal(scored["violation"], pc.min(scored["violation"])))
        return StudyRow(
            name=name,
            location=store.uri,
            state=state_of(sessions, now),
            trials=trials.num_rows,
            epochs=pc.sum(trials["epochs"]).as_py() or 0,
            metric=objective.metric,
            best=pc.min_max(scored["objective"])[objective.mode].as_py(),
            started=datetime.fromisoformat(sessions[0].started) if sessions else None,
        )
    except (UserError, KeyError, ValueError, pa.ArrowException) as error:
        return StudyRow(name=name, location=store.uri, state="unreadable", fault=str(error))
