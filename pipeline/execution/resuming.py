"""A study that is there already: whether a driver may go on with it, and with which job."""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from typing import Any

from pipeline.errors import Fault, StorageError, StudyChanged, StudyExists
from pipeline.execution.sessions import at_work
from pipeline.results.sessions import read_sessions
from pipeline.space import flat
from pipeline.storage import Store
from pipeline.storage.schema import config_columns
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.code import same_code, source_of

__all__ = ["kept", "last_session", "lessened", "reconciled"]

_KEPT = ("budget", "resources", "checkpoints", "description")
"""What a study keeps from one session to the next, unless told otherwise."""

_LIMITS = ("trials", "epochs", "total_epochs", "seconds")

_FREE = (*_KEPT, "name")
"""What may change; the name does where a study's folder was copied or renamed."""

_CODE = ("model", "function", "callbacks", "data")
_SHOWN_LINES = 40


def kept(job: TuneJob, store: Store, note: Callable[[str], None], *, changed: Collection[str] = ()) -> TuneJob:
    """A job with the budget, resources and checkpoints that its study has, if there is one: those of a resume.

    Args:
        job: The job as its file has it.
        store: The study's folder.
        note: Is told where the file has something else.
        changed: Fields that the call sets, as `budget.epochs`: of them nothing is told.
    """
    if not store.exists(layout.STUDY):
        return job
    saved = load_study(store)
    for name in _KEPT[:-1]:
        old, new = asdict(getattr(saved, name)), asdict(getattr(job, name))
        differ = [field for field in old if old[field] != new[field] and f"{name}.{field}" not in changed]
        if other := [f"{field} {old[field]}, not {new[field]}" for field in differ]:
            note(f"The study keeps its own {name} where no option changes it: {', '.join(other)}.")
    return job.replaced({name: getattr(saved, name) for name in _KEPT})


def last_session(
    store: Store, job: TuneJob, *, resume: bool, note: Callable[[str], None]
) -> tuple[TuneJob | None, Mapping[str, Any] | None]:
    """The study as it was left.

    Args:
        store: The study's folder.
        job: What is about to run there.
        resume: Whether to go on with a study that is there.
        note: Is told that there is something to wait for.

    Returns:
        The study's own job and its last session; None for what is not there. A session without a job is one that was
        killed before it had written the job down.

    Raises:
        StudyExists: There is a study, and it is not to be resumed, or its driver is alive.
        StorageError: The folder holds something else.
    """
    begun = store.exists(layout.STUDY)
    if not begun and not all(layout.is_beginning(path) for path in store.files()):
        raise StorageError(
            f"{store.uri} holds files that are no study. Nothing of it was touched: choose another --name or --storage."
        )
    if begun and not resume:
        raise StudyExists(
            f"There is a study {job.name!r} in {store.uri} already. Go on with it with --resume (in Python: "
            "resume=True), or give the new one a name of its own with --name (name=…)."
        )
    sessions = read_sessions(store)
    last = sessions[-1] if sessions else None
    if last is not None and at_work(store, last, note):
        raise StudyExists(
            f"The study {job.name!r} is running already: process {last['pid']} on {last['host']} told of itself at "
            f"{last['heartbeat']}. Stop it first."
        )
    return load_study(store) if begun else None, last


def reconciled(job: TuneJob, saved: TuneJob, *, accept_changes: bool = False) -> TuneJob:
    """The job that the next session runs.

    Code that differs in comments, layout or its file's name alone is the same code: the study's copy goes on.

    Args:
        job: The job as it is now.
        saved: The job as the study has it.
        accept_changes: Go on with code, data and domains that have changed.

    Raises:
        StudyChanged: What is tuned is not the same; shows the difference.
    """
    unchanged: dict[str, Any] = {
        name: getattr(saved, name) for name in _CODE if _same(getattr(saved, name), getattr(job, name))
    }
    if _starts_alike(job, saved):
        unchanged |= {"start_from": saved.start_from, "start_with": saved.start_with}
    job = job.replaced(unchanged)
    old, new = saved.to_json(), job.to_json()
    faults: list[Fault] = []
    for name in (name for name in new if name not in _FREE and new[name] != old[name]):
        if accept_changes and (name in _CODE or (name == "space" and _same_columns(saved, job))):
            continue
        if name == "space":
            faults += _space_faults(old[name], new[name])
        elif name in _CODE and callable(getattr(saved, name)) and callable(getattr(job, name)):
            faults.append(Fault(name, new[name]["function"], "must be the code that the study began with"))
        else:
            faults.append(Fault(name, new[name], f"must stay {old[name]!r}"))
    if faults:
        raise StudyChanged(f"the study {job.name!r}, to be resumed,", faults, _difference(saved, job))
    return job


def lessened(job: TuneJob, saved: TuneJob) -> str | None:
    """Which limits are lower than the study had them, in words; None where none is.

    Args:
        job: The job of the session to come.
        saved: The job of the session before.
    """
    pairs = [(name, getattr(job.budget, name), getattr(saved.budget, name)) for name in _LIMITS]
    told = [
        f"{name} {now:g} instead of {'no limit' if before is None else f'{before:g}'}"
        for name, now, before in pairs
        if now is not None and (before is None or now < before)
    ]
    if not told:
        return None
    return f"The study goes on with a smaller budget than it had: {', '.join(told)}. What it has beyond that stays."


def _same(saved: Any, now: Any) -> bool:
    return same_code(saved, now) if callable(saved) and callable(now) else False


def _starts_alike(job: TuneJob, saved: TuneJob) -> bool:
    """Whether a job says no other start than its study had: what came from another study stands behind its own."""
    same = job.start_from in (None, saved.start_from)
    return saved.start_from is not None and same and saved.start_with[: len(job.start_with)] == job.start_with


def _same_columns(saved: TuneJob, job: TuneJob) -> bool:
    return config_columns(flat(saved.space)) == config_columns(flat(job.space))


def _space_faults(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Fault]:
    names = [*old, *(name for name in new if name not in old)]
    return [
        Fault(
            f"space.{name}",
            new.get(name, "nothing"),
            f"must stay {old[name]!r}" if name in old else "must not be there: the study has no such parameter",
        )
        for name in names
        if old.get(name) != new.get(name) or (name in old) != (name in new)
    ]


def _difference(saved: TuneJob, job: TuneJob) -> str:
    """What changed in the sources of the functions that differ, as a unified diff; each file once."""
    pairs = {}
    for name in _CODE:
        before, after = getattr(saved, name), getattr(job, name)
        if callable(before) and callable(after) and before is not after:
            pairs[source_of(before) or b"", source_of(after) or b""] = (before.__module__, after.__module__)
    lines: list[str] = []
    for (old, new), (before, after) in pairs.items():
        a, b = (text.decode(errors="replace").splitlines() for text in (old, new))
        lines += difflib.unified_diff(a, b, f"the study's {before}.py", f"{after}.py", lineterm="", n=1)
    more = [f"… and {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    return "\n".join(lines[:_SHOWN_LINES] + more)
