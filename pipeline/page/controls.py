"""What the page changes where it was started with --control: commands to the drivers of studies."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.engine.commands import Continue, Pause, StopTrial
from pipeline.errors import StorageError, UsageError
from pipeline.execution.commands import is_paused, outcomes, request_stop, running_session, send
from pipeline.page.study_cache import StudyCache
from pipeline.results.tables.trials import trial_row
from pipeline.results.views.table import Column, Table
from pipeline.storage import Store
from pipeline.study import layout

Form = Mapping[str, str]

_SHOWN = 20
_MAX_REASON_LENGTH = 2000


def control_state(store: Store) -> dict[str, Any]:
    """Which commands a study accepts now."""
    session = running_session(store)
    return {"driven": session is not None, "paused": session is not None and is_paused(session)}


def commands_table(store: Store, trial: str | None = None) -> Table:
    """The newest commands of a study, whoever gave them, each with its time and its outcome."""
    known, driven = outcomes(store), running_session(store) is not None
    waits = "waits for the next report" if driven else "waits for `tunepipe resume`"
    rows = []
    for name in list(known)[::-1][:_SHOWN]:
        given = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        values = _values(store, name)
        if trial is None or values.get("trial_id") == trial:
            command = " ".join(
                str(value) if field == "kind" else f"{field}={value if isinstance(value, str) else json.dumps(value)}"
                for field, value in values.items()
                if field != "session" and value not in (None, "")
            )
            given_at = f"{given.astimezone():%Y-%m-%d %H:%M:%S}"
            rows.append({"command": command or "?", "outcome": known[name] or waits, "given": given_at})
    return Table("Commands", [Column("command"), Column("outcome"), Column("given")], rows)


def _values(store: Store, name: str) -> Mapping[str, Any]:
    try:
        values = store.read_json(layout.command(name), most=1_000_000)
    except (FileNotFoundError, StorageError):
        return {}
    return values if isinstance(values, dict) else {}


def _pause(studies: StudyCache, name: str, form: Form) -> None:
    store = studies.folder(name)
    send(store, Pause(session=_session(store), reason=_reason(form)))


def _continue(studies: StudyCache, name: str, form: Form) -> None:
    store = studies.folder(name)
    send(store, Continue(session=_session(store), reason=_reason(form)))


def _stop(studies: StudyCache, name: str, _form: Form) -> None:
    if request_stop(studies.folder(name)) is None:
        raise UsageError(f"The study {name!r} is not running.")


def _stop_trial(studies: StudyCache, name: str, form: Form) -> None:
    row = trial_row(studies.results(name), form.get("trial", ""))
    send(studies.folder(name), StopTrial(trial_id=str(row["trial_id"]), reason=_reason(form)))


ACTIONS: Mapping[str, Callable[[StudyCache, str, Form], None]] = {
    "pause": _pause,
    "continue": _continue,
    "stop": _stop,
    "stop-trial": _stop_trial,
}
"""The commands of forms, by name."""


def _session(store: Store) -> int:
    session = running_session(store)
    if session is None:
        raise UsageError(f"The study in {store.uri} is not running.")
    return int(session["number"])


def _reason(form: Form) -> str:
    reason = form.get("reason", "").strip()
    if len(reason) > _MAX_REASON_LENGTH:
        raise UsageError(f"A reason must have at most {_MAX_REASON_LENGTH:,} characters; found {len(reason):,}.")
    return reason
