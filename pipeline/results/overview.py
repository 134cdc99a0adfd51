"""The studies of a storage at a glance: read from what each keeps ready, without its parts."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import UserError
from pipeline.results.gather import gather
from pipeline.results.load import read_study, state_of
from pipeline.results.sessions import read_sessions
from pipeline.storage import Store
from pipeline.study import Objective, layout
from pipeline.study.studies import study_names

__all__ = ["StudyRow", "overview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRow:
    """A study at a glance.

    Args:
        name: Its folder's name.
        location: Its folder.
        state: As of results; `unreadable` where a file of it is not what tunepipe wrote.
        trials: How many trials it has.
        epochs: How many epochs they trained.
        metric: What it judges by; None where unreadable.
        best: The best value, failed trials aside; None as long as there is none.
        started: When its first session started; None where there was none.
        fault: What cannot be read; None where all can.
    """

    name: str
    location: str
    state: str
    trials: int = 0
    epochs: int = 0
    metric: str | None = None
    best: float | None = None
    started: datetime | None = None
    fault: str | None = None


def overview(store: Store, *, now: datetime | None = None) -> list[StudyRow]:
    """The studies of a storage, the newest last; those that never started come first.

    Args:
        store: The storage.
        now: The moment by which a driver counts as silent; this one unless given.
    """
    moment = now or datetime.now(UTC)
    rows = [_row(store.folder(name), name, moment) for name in study_names(store)]
    return sorted(rows, key=lambda row: (row.started is not None, row.started or moment, row.name))


def _row(store: Store, name: str, now: datetime) -> StudyRow:
    try:
        study = read_study(store)
        objective, sessions, trials = (
            Objective(**study["job"]["objectives"][0]),
            read_sessions(store),
            _trials(store, study),
        )
        started = datetime.fromisoformat(str(sessions[0]["started"])) if sessions else None
    except (UserError, KeyError, ValueError, pa.ArrowInvalid) as error:
        return StudyRow(name=name, location=store.uri, state="unreadable", fault=str(error))
    ends = pc.min_max(trials["objective"].filter(pc.not_equal(trials["state"], "failed")))
    return StudyRow(
        name=name,
        location=store.uri,
        state=state_of(sessions, now),
        trials=trials.num_rows,
        epochs=pc.sum(trials["epochs"]).as_py() or 0,
        metric=objective.metric,
        best=ends[objective.mode].as_py(),
        started=started if started is None or started.tzinfo else started.replace(tzinfo=UTC),
    )


def _trials(store: Store, study: Mapping[str, Any]) -> pa.Table:
    """The table `trials`, as the driver derived it last; from the parts where it has not yet."""
    try:
        return store.read_table(layout.TRIALS)
    except FileNotFoundError:
        return gather(store, study).trials
