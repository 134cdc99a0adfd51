"""What the page changes where it was started with --control: commands to the drivers of studies."""

import json
import shlex
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pipeline.engine.commands import ChangeBudget, Continue, Enqueue, Pause, StopTrial
from pipeline.errors import StorageError, UsageError
from pipeline.execution.commands import is_paused, outcomes, request_stop, running_session, send
from pipeline.page.study_cache import StudyCache
from pipeline.results.tables.trials import trial_row
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.faults import start_faults

Form = Mapping[str, str]

_SHOWN = 20
_MAX_REASON_LENGTH = 2000
_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "stop-trial": lambda values: f"Stop trial {values.get('trial_id')}",
    "enqueue": lambda values: "Try " + _config_text(values.get("config")),
    "pause": lambda _: "Pause",
    "continue": lambda _: "Continue",
    "budget": lambda values: (
        "Budget: " + _config_text({n: values.get(n) for n in ("trials", "total_epochs", "seconds")})
    ),
}


def control_state(store: Store) -> dict[str, Any]:
    """Which commands a study accepts now."""
    session = running_session(store, certain=False)
    return {"driven": session is not None, "paused": session is not None and is_paused(session)}


def command_lines(store: Store, trial: str | None = None) -> list[tuple[str, str, str]]:
    """The newest commands of a study, each with its time and its outcome."""
    known, driven = outcomes(store), running_session(store, certain=False) is not None
    waits = "waits for the next report" if driven else "waits for `tunepipe resume`"
    lines = []
    for name in list(known)[::-1][:_SHOWN]:
        given = datetime.strptime(name.partition("-")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        values = _values(store, name)
        if trial is None or values.get("trial_id") == trial:
            lines.append((f"{given.astimezone():%Y-%m-%d %H:%M:%S}", _in_words(values), known[name] or waits))
    return lines


def config_text(config: Mapping[str, Any]) -> str:
    """A config as a user enters it in a form."""
    return " ".join(shlex.quote(f"{name}={_value_text(value)}") for name, value in config.items())


def _value_text(value: Any) -> str:
    return value if isinstance(value, str) and _value(value) == value else json.dumps(value)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _values(store: Store, name: str) -> Mapping[str, Any]:
    try:
        values = store.read_json(layout.command(name), most=1_000_000)
    except (FileNotFoundError, StorageError):
        return {}
    return values if isinstance(values, dict) else {}


def _in_words(values: Mapping[str, Any]) -> str:
    try:
        words, reason = _WORDS[values["kind"]](values), values.get("reason")
        return f"{words}: {reason}" if reason else words
    except (LookupError, TypeError, AttributeError):
        return "?"


def _config_text(config: Any) -> str:
    if not isinstance(config, dict):
        return "?"
    return " ".join(f"{name}={json.dumps(value)}" for name, value in config.items() if value is not None)


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


def _enqueue(studies: StudyCache, name: str, form: Form) -> None:
    job = TuneJob.from_json(studies.results(name).job, load=False)
    config = _pairs(form.get("config", ""))
    if faults := list(start_faults(job.space, config, "config")):
        raise UsageError(f"The config cannot be tried: {'; '.join(map(str, faults))}.")
    send(studies.folder(name), Enqueue(config=config, reason=_reason(form)))


def _budget(studies: StudyCache, name: str, form: Form) -> None:
    store = studies.folder(name)
    _session(store)
    limits = {limit: _number(form, limit) for limit in ("trials", "total_epochs", "seconds")}
    if not any(limits.values()):
        raise UsageError("Nothing to change: give the number of trials, the total epochs or the seconds.")
    trials, epochs = (None if limits[name] is None else int(limits[name] or 0) for name in ("trials", "total_epochs"))
    send(store, ChangeBudget(trials=trials, total_epochs=epochs, seconds=limits["seconds"], reason=_reason(form)))


ACTIONS: Mapping[str, Callable[[StudyCache, str, Form], None]] = {
    "pause": _pause,
    "continue": _continue,
    "stop": _stop,
    "stop-trial": _stop_trial,
    "enqueue": _enqueue,
    "budget": _budget,
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


def _number(form: Form, name: str) -> float | None:
    text = form.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 2**31 or (name != "seconds" and not value.is_integer()):
        kind = "a number above 0" if name == "seconds" else "a whole number above 0"
        raise UsageError(f"{name.replace('_', ' ')} must be {kind}; found {text!r:.100}.")
    return value


def _pairs(text: str) -> dict[str, Any]:
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"The config must be NAME=VALUE with spaces between: {error}.") from None
    pairs: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise UsageError(
                f"The config must be NAME=VALUE with spaces between, such as lr=0.1 width=64; found {word!r:.100}."
            )
        pairs[name] = _value(value)
    if not pairs:
        raise UsageError("Name at least one value, such as lr=0.1; the searcher draws the others.")
    return pairs
