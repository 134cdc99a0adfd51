"""What the page changes where it was started with --control: commands to the drivers of studies."""

from typing import Any

from pipeline.engine.commands import Continue, Pause, StopTrial
from pipeline.errors import StorageError, UsageError
from pipeline.execution.commands import is_paused, outcomes, request_stop, running_session, send
from pipeline.page.study_cache import StudyCache
from pipeline.results.tables.trials import trial_row
from pipeline.results.views.table import Column, Table
from pipeline.storage import Store
from pipeline.study import layout

_SHOWN = 20
_REASON = "A user of the page."

ACTIONS = ("pause", "continue", "stop", "stop-trial")
"""What forms ask for."""


def control_state(store: Store) -> dict[str, Any]:
    """Which commands a study accepts now, and the newest ones, whoever gave them, with their outcomes."""
    session = running_session(store)
    waits = "waits for `tunepipe resume`" if session is None else "waits for the next report"
    rows = [
        {"command": _command(store, name), "outcome": outcome or waits}
        for name, outcome in reversed(list(outcomes(store).items())[-_SHOWN:])
    ]
    commands = Table("Commands", [Column("command"), Column("outcome")], rows)
    paused = session is not None and is_paused(session)
    return {"driven": session is not None, "paused": paused, "commands": commands}


def _command(store: Store, name: str) -> str:
    """A command in words; its file may be anyone's."""
    try:
        values = store.read_json(layout.command(name), most=1_000_000)
        return f"{values['kind']} {values.get('trial_id') or ''}".strip()
    except (FileNotFoundError, StorageError, TypeError, KeyError, AttributeError):
        return "?"


def act(studies: StudyCache, name: str, action: str, trial: str) -> None:
    """Do what a form of the page asks for."""
    store = studies.folder(name)
    if action == "stop-trial":
        row = trial_row(studies.snapshot(name).results, trial)
        send(store, StopTrial(trial_id=str(row["trial_id"]), reason=_REASON))
        return
    session = running_session(store)
    if session is None:
        raise UsageError(f"The study {name!r} is not running.")
    if action == "stop":
        request_stop(store)
    else:
        command = {"pause": Pause, "continue": Continue}[action]
        send(store, command(session=int(session["number"]), reason=_REASON))
