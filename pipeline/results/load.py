"""A study's folder → pandas frames and the answers people ask for first."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from pipeline.errors import InvalidJob, StorageError
from pipeline.results.gather import Tables, column_value, gather, parameters_of, space_of
from pipeline.results.sessions import SILENT_SECONDS, read_sessions
from pipeline.space import Config, Place, Scalar, Space, walk
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.study import Objective, TuneJob, layout
from pipeline.study.files import read_job
from pipeline.study.studies import no_study

__all__ = [
    "Best",
    "Results",
    "config_of",
    "configs_of",
    "from_tables",
    "load_results",
    "read_study",
    "state_of",
]

_MAYBE_EMPTY = ("best_epoch", "rung", "parent_epoch")


@dataclass(frozen=True, slots=True)
class Best:
    """The best a study has reached.

    Args:
        trial_id: The trial.
        value: Its value of the first objective.
        epoch: The epoch of that value.
        config: The config in force at that epoch.
    """

    trial_id: str
    value: float
    epoch: int
    config: Config


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Results:
    """A study's tables and answers, as they are at this moment.

    Args:
        study: The content of study.json.
        trials: One row for each trial; columns as in schema.TRIALS.
        epochs: One row for each epoch; columns as in schema.EPOCHS.
        decisions: One row for each decision; columns as in schema.DECISIONS.
        sessions: The content of each driver session's file, by number.
        state: waiting, running, finished, interrupted or failed.
        best: The best trial, failed ones aside; None as long as no epoch has a finite value.
        location: The study's folder.
        test: The winner's metrics on the test split; None as long as they are not there.
    """

    study: Mapping[str, Any]
    trials: pd.DataFrame
    epochs: pd.DataFrame
    decisions: pd.DataFrame
    sessions: Sequence[Mapping[str, Any]]
    state: str
    best: Best | None
    location: str
    test: Mapping[str, float] | None = None

    @property
    def job(self) -> Mapping[str, Any]:
        """The job as JSON values."""
        return self.study["job"]  # type: ignore[no-any-return]

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
        """What was tuned: parameter name → domain or constant; those of a switch's branches stand beside it."""
        return parameters_of(self.study)

    @property
    def places(self) -> list[Place]:
        """Where each parameter stands: one that several branches have stands several times."""
        return list(walk(space_of(self.study)))

    @property
    def seconds(self) -> float:
        """Seconds a driver was alive, over all sessions."""
        return float(sum(session.get("seconds") or 0 for session in self.sessions))

    def __repr__(self) -> str:
        best = (
            f", best {self.objective.metric}={self.best.value:.6g} of trial {self.best.trial_id}" if self.best else ""
        )
        return f"<Results of {self.name!r}: {self.state}, {len(self.trials)} trials, {len(self.epochs)} epochs{best}>"

    def _repr_html_(self) -> str:
        """The leaderboard, as a notebook shows it."""
        from pipeline.results.leaderboard import as_html

        return as_html(self)


def load_results(path_or_uri: str | Path, *, now: datetime | None = None) -> Results:
    """Read a study, also one that runs.

    Args:
        path_or_uri: The study's folder: a local path or a URI.
        now: The moment by which a driver counts as silent; this one unless given.

    Returns:
        The study's tables as pandas frames, its state and its best trial.

    Raises:
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    store = Store(path_or_uri)
    study = read_study(store)
    results = from_tables(gather(store, study), study, read_sessions(store), location=store.uri, now=now)
    return replace(results, test=_test(store, results.best))


def from_tables(
    tables: Tables,
    study: Mapping[str, Any],
    sessions: Sequence[Mapping[str, Any]],
    *,
    location: str,
    now: datetime | None = None,
) -> Results:
    """Results of tables that are at hand.

    Args:
        tables: Clean tables.
        study: The content of study.json.
        sessions: The content of each driver session's file, by number.
        location: The study's folder.
        now: The moment by which a driver counts as silent; this one unless given.
    """
    trials, epochs = _frame(tables.trials), _frame(tables.epochs)
    best = _best(trials, epochs, study)
    state = state_of(sessions, now or datetime.now(UTC))
    return Results(study, trials, epochs, _frame(tables.decisions), sessions, state, best, location)


def config_of(row: Mapping[str, Any] | pd.Series, space: Space) -> Config:
    """The config in the config_* columns of a row, each value as it was drawn; an empty one is left out."""
    config: Config = {}
    for name, domain in space.items():
        value = row.get(f"config_{name}")
        if value is None or value is pd.NA or value != value:
            continue
        value = value.item() if hasattr(value, "item") else value
        known: Sequence[Scalar] = getattr(domain, "values", () if hasattr(domain, "draw") else (domain,))
        value = next((one for one in known if _stands_for(value, one)), value)
        config[name] = value
    return config


def configs_of(rows: pd.DataFrame, space: Space) -> list[Config]:
    """As `config_of`, for many rows at once."""
    configs: list[Config] = [{} for _ in range(len(rows))]
    for name, domain in space.items():
        column = f"config_{name}"
        if column not in rows:
            continue
        drawn: Sequence[Scalar] = getattr(domain, "values", () if hasattr(domain, "draw") else (domain,))
        meant: dict[Any, Scalar] = {}
        for config, value in zip(configs, rows[column].tolist(), strict=True):
            if value is None or value is pd.NA or value != value:
                continue
            if drawn:
                # Each kind of value is looked for once: there are as many as the domain has.
                key = (type(value), value)
                if key not in meant:
                    meant[key] = next((one for one in drawn if _stands_for(value, one)), value)
                value = meant[key]
            config[name] = value
    return configs


def _stands_for(found: Scalar, drawn: Scalar) -> bool:
    """Whether a column holds `found` for `drawn`: as text in a choice of mixed types, 1.0 for 1 among floats."""
    if isinstance(found, str):
        return bool(column_value(drawn, pa.string()) == found)
    return found == drawn and isinstance(found, bool) == isinstance(drawn, bool)


def read_study(store: Store) -> Mapping[str, Any]:
    """The content of study.json, its job checked as a whole; none of the job's code is loaded.

    Raises:
        JobNotFound: There is no study there; names the studies there are.
        InvalidJob: Its job is not allowed.
        StorageError: The file is not a study's, or was written by a newer tunepipe.
    """
    try:
        fields = read_job(store)
    except FileNotFoundError:
        raise no_study(store) from None
    try:
        job = TuneJob.from_json(fields, load=False)
    except InvalidJob as error:
        raise InvalidJob(f"{layout.STUDY} in {store.uri}", error.faults) from None
    return {"schema_version": SCHEMA_VERSION, "job": job.to_json()}


def _test(store: Store, best: Best | None) -> Mapping[str, float] | None:
    """What the study's winner scored on the test split, if the export is of the best there is now."""
    try:
        told = store.read_json(layout.WINNER)
        if best is None or (told["trial_id"], told["epoch"]) != (best.trial_id, best.epoch):
            return None
        scores = told["metrics"].items()
        return {name: math.nan if value is None else float(value) for name, value in scores}
    except FileNotFoundError:
        return None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise StorageError(
            f"{layout.WINNER} in {store.uri} is not a winner's ({type(error).__name__}: {error}). Restore the file, or "
            "delete it: the export is then made anew."
        ) from None


def state_of(sessions: Sequence[Mapping[str, Any]], now: datetime) -> str:
    """A study's state: that of its last session, unless its driver has fallen silent.

    Args:
        sessions: The content of each driver session's file, by number.
        now: The moment by which a driver counts as silent.
    """
    if not sessions:
        return "waiting"
    state, beat = str(sessions[-1]["state"]), sessions[-1].get("heartbeat")
    if state != "running" or beat is None:
        return state
    return "interrupted" if (now - datetime.fromisoformat(beat)).total_seconds() > SILENT_SECONDS else "running"


def _frame(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    # Pandas would make floats of whole numbers that some trials do not have.
    gaps = [f.name for f in table.schema if pa.types.is_integer(f.type) and table[f.name].null_count]
    return frame.astype({name: "Int64" for name in {*_MAYBE_EMPTY, *gaps} if name in frame.columns})


def _best(trials: pd.DataFrame, epochs: pd.DataFrame, study: Mapping[str, Any]) -> Best | None:
    scored = trials[trials["objective"].notna() & (trials["state"] != "failed")]
    if scored.empty:
        return None
    ascending = study["job"]["objectives"][0]["mode"] == "min"
    # The trials are in order of their ids already: a stable sort leaves the lower id first where the rest ties.
    row = scored.sort_values(["objective", "best_epoch"], ascending=[ascending, True], kind="stable").iloc[0]
    at = epochs[(epochs["trial_id"] == row["trial_id"]) & (epochs["epoch"] == row["best_epoch"])].iloc[0]
    return Best(
        str(row["trial_id"]), float(row["objective"]), int(row["best_epoch"]), config_of(at, parameters_of(study))
    )
