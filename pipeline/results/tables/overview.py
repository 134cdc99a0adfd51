"""The studies of a storage, read from the tables that each driver derived last, without the parts."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StorageError, StorageUnreachable, UserError
from pipeline.results.tables.load import read_study
from pipeline.storage import Store
from pipeline.storage.sessions import read_sessions, state_of
from pipeline.storage.tables import read_tables
from pipeline.study import Objective, layout
from pipeline.study.studies import study_names

AT_ONCE = 8
"""Studies that are read in parallel: an object store answers slowly, but answers several requests at once."""


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


class Glance(NamedTuple):
    """A study at a glance, and what was read for that."""

    row: StudyRow
    study: Mapping[str, Any] = {}
    trials: pa.Table | None = None


def overview(store: Store, *, now: datetime | None = None) -> list[StudyRow]:
    """The studies of a storage, the newest last; those that never started come first."""
    moment = now or datetime.now(UTC)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        rows = list(pool.map(lambda name: glance(store.folder(name), name, moment).row, study_names(store)))
    return sorted(rows, key=lambda row: (row.started is not None, row.started or moment, row.name))


def glance(store: Store, name: str, now: datetime) -> Glance:
    """A summary of a study, from the tables that its driver derived last."""
    try:
        study = read_study(store)
        objective, sessions, trials = (
            Objective(**study["job"]["objectives"][0]),
            read_sessions(store),
            _trials_table(store, study),
        )
        started = datetime.fromisoformat(str(sessions[0]["started"])) if sessions else None
    except (UserError, KeyError, ValueError, pa.ArrowInvalid) as error:
        return Glance(StudyRow(name=name, location=store.uri, state="unreadable", fault=str(error)))
    scored = trials.filter(pc.and_(pc.not_equal(trials["state"], "failed"), pc.is_valid(trials["objective"])))
    if "violation" in scored.column_names:  # Earlier versions knew no bounds.
        scored = scored.filter(pc.equal(scored["violation"], pc.min(scored["violation"])))
    ends = pc.min_max(scored["objective"])
    row = StudyRow(
        name=name,
        location=store.uri,
        state=state_of(sessions, now),
        trials=trials.num_rows,
        epochs=pc.sum(trials["epochs"]).as_py() or 0,
        metric=objective.metric,
        best=ends[objective.mode].as_py(),
        started=started if started is None or started.tzinfo else started.replace(tzinfo=UTC),
    )
    return Glance(row, study, trials)


def _trials_table(store: Store, study: Mapping[str, Any]) -> pa.Table:
    """The table `trials` as the driver derived it last; from the parts where there is none, or it is damaged."""
    try:
        return store.read_table(layout.TRIALS)
    except StorageUnreachable:
        raise
    except (FileNotFoundError, StorageError):
        return read_tables(store, study).trials
