"""A study's folder → its tables, its state and its best trial."""

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import InvalidJob, StorageError
from pipeline.results.tables.arrow_or_frame import frames_on_demand
from pipeline.results.tables.configs import config_of
from pipeline.results.tables.results_cache import cache_per_results
from pipeline.results.tables.unique_rows import reals
from pipeline.space import Config, ParameterPath, Space, walk
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION, metric_names
from pipeline.storage.sessions import driver_seconds, read_sessions, state_of
from pipeline.storage.tables import (
    DRAW_ORDER,
    Tables,
    open_database,
    parameters_of,
    read_tables,
    scored_sql,
    space_of,
)
from pipeline.study import Objective, TuneJob, layout
from pipeline.study.files import read_document, read_job, recorded_data
from pipeline.study.ranking import ranking_order, ranking_sql
from pipeline.study.studies import no_study
from pipeline.text import sanitize_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Best:
    """The best a study has reached."""

    trial_id: str
    value: float
    epoch: int
    config: Config


@frames_on_demand("trials", "epochs", "decisions")
@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Results:
    """A study's tables, state and best trial at the time of reading. `table` gives its tables without pandas."""

    study: Mapping[str, Any]
    trials: "pd.DataFrame"
    epochs: "pd.DataFrame"
    decisions: "pd.DataFrame"
    sessions: Sequence[Mapping[str, Any]]
    state: str
    best: Best | None
    location: str
    test: Mapping[str, float] | None = None
    metric_names: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> pa.Table:
        """A table as Arrow has read it: much faster than a frame where few of its rows and columns are needed."""
        found: pa.Table = getattr(type(self), name).forms(self).table
        return found

    def query(self, sql: str) -> pa.Table:
        """The answer to a SELECT over the views `epochs`, `decisions`, `trials`, `scored` and `ranked`.

        `scored` is `epochs` with the first objective's `_value`, its `_loss` (less is better), and the `_violation` of
        all bounds. `ranked` is `trials` with each one's `place`, from 1.
        """
        lock, database = _database(self)
        with lock:
            return database.sql(sql).to_arrow_table()

    def columns(self, name: str, columns: Sequence[str]) -> "pd.DataFrame":
        """Some columns of a frame: much faster than the frame itself where the table is large and nothing needs it."""
        found: pd.DataFrame = getattr(type(self), name).forms(self).columns(columns)
        return found

    @property
    def job(self) -> Mapping[str, Any]:
        """The job as JSON values."""
        return self.study["job"]  # type: ignore[no-any-return]

    @property
    def data(self) -> Mapping[str, Any] | None:
        """The fingerprint of the training data; None if an older tunepipe wrote none."""
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

    @property
    def space(self) -> Space:
        """What was tuned: parameter name → domain or constant, those of a switch's branches included."""
        # A copy: many functions ask for it, once for each of hundreds of parameters.
        return dict(_space(self))

    @property
    def parameters(self) -> list[ParameterPath]:
        """The path of each parameter; one that several branches have is listed once for each."""
        return list(_paths(self))

    @property
    def seconds(self) -> float:
        """Seconds a driver was alive, over all sessions."""
        return driver_seconds(self.sessions)

    def __repr__(self) -> str:
        metric = sanitize_line(self.objective.metric)
        best = f", best {metric}={self.best.value:.6g} of trial {self.best.trial_id}" if self.best else ""
        trials, epochs = (self.table(name).num_rows for name in ("trials", "epochs"))
        return f"<Results of {self.name!r}: {self.state}, {trials} trials, {epochs} epochs{best}>"


@cache_per_results
def _database(results: Results) -> tuple[threading.Lock, Any]:
    database = open_database()
    for name in ("epochs", "decisions", "trials"):
        database.register(name, results.table(name))
    loss = "-objective" if results.objective.mode == "max" else "objective"
    order = ", ".join([*ranking_sql(loss), DRAW_ORDER])
    database.sql(f"create temp view scored as {scored_sql(results.study, results.table('epochs').schema)}")
    database.sql(f"create temp view ranked as select *, row_number() over (order by {order}) as place from trials")
    return threading.Lock(), database


@cache_per_results
def _space(results: Results) -> Space:
    return parameters_of(results.study)


@cache_per_results
def _paths(results: Results) -> Sequence[ParameterPath]:
    return list(walk(space_of(results.study)))


def load_results(path_or_uri: str | Path, *, now: datetime | None = None) -> Results:
    """Read a study, even while it runs.

    Args:
        path_or_uri: The study's folder: a local path or a URI.
        now: The time at which to judge whether a driver is silent; the current time unless given.

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
    tables = read_tables(store, study)
    best = _best(tables, study)
    return _results(tables, study, sessions, best, location=store.uri, now=now, test=_test(store, best))


def from_tables(
    tables: Tables,
    study: Mapping[str, Any],
    sessions: Sequence[Mapping[str, Any]],
    *,
    location: str,
    now: datetime | None = None,
) -> Results:
    """The results of tables that are already in memory."""
    return _results(tables, study, sessions, _best(tables, study), location=location, now=now)


def _results(
    tables: Tables,
    study: Mapping[str, Any],
    sessions: Sequence[Mapping[str, Any]],
    best: Best | None,
    *,
    location: str,
    now: datetime | None,
    test: Mapping[str, float] | None = None,
) -> Results:
    state, names = state_of(sessions, now or datetime.now(UTC)), metric_names(tables.epochs.schema)
    return Results(study, tables.trials, tables.epochs, tables.decisions, sessions, state, best, location, test, names)


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
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StorageError(
            f"{layout.WINNER} in {store.uri} does not describe a best trial ({type(error).__name__}: {error}). Restore "
            "the file, or delete it: the next export writes it again."
        ) from None


def rank_order(trials: pa.Table, objective: Objective) -> npt.NDArray[np.int64]:
    """The order of trials in `pipeline.study.ranking`."""
    values, best_epochs, violations = (reals(trials[name]) for name in ("objective", "best_epoch", "violation"))
    failed = np.asarray(pc.equal(trials["state"], "failed"), np.bool_)
    return ranking_order(values, best_epochs, failed=failed, mode=objective.mode, violations=violations)


def _best(tables: Tables, study: Mapping[str, Any]) -> Best | None:
    trials, epochs = tables.trials, tables.epochs
    scored = trials.filter(pc.and_(pc.is_valid(trials["objective"]), pc.not_equal(trials["state"], "failed")))
    if not scored.num_rows:
        return None
    first = rank_order(scored, Objective(**study["job"]["objectives"][0]))[0]
    trial, epoch, value = (scored[name][int(first)].as_py() for name in ("trial_id", "best_epoch", "objective"))
    own = pc.and_(pc.equal(epochs["epoch"], epoch), pc.equal(epochs["trial_id"], trial))
    (at,) = epochs.filter(own).slice(0, 1).to_pylist()
    return Best(trial, value, epoch, config_of(at, parameters_of(study)))
