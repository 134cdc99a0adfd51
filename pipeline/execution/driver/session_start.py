"""What a session starts from: a new study, one without epochs that it replaces, or a study that it resumes."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipeline.code import forget_copies, from_study
from pipeline.errors import NotResumable, StorageError, StudyExists
from pipeline.execution.driver.resumability import unsaved_state
from pipeline.execution.driver.resume_checks import abandoned, last_session
from pipeline.execution.driver.resumed_job import code_changes, reconciled
from pipeline.execution.driver.warm_start import warm_started, with_starts
from pipeline.storage import Store
from pipeline.storage.lease import MARK_WITHIN
from pipeline.study import TuneJob, layout
from pipeline.study.contents import remove
from pipeline.study.files import read_document


@dataclass(frozen=True, slots=True)
class SessionStart:
    """What a session starts from."""

    job: TuneJob
    saved: TuneJob | None = None
    last: Mapping[str, Any] | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    code_changes: Sequence[str] = ()
    replaces: bool = False

    @property
    def finished(self) -> bool:
        """Whether there is nothing to do: the study is finished, and its budget is the same."""
        ended = self.last is not None and self.last["state"] == "finished"
        return ended and self.saved is not None and self.saved.budget == self.job.budget

    @property
    def changes_without_effect(self) -> str | None:
        """Changes of the job that a finished study does not use, as a note; None if there is none."""
        changes = [*self.code_changes]
        before = len(self.saved.start_with) if self.saved is not None else 0
        if self.saved is not None and len(self.job.start_with) > before:
            changes.append(f"start_with has {len(self.job.start_with)} configs instead of {before}")
        if not changes:
            return None
        accepted = " and --accept-changes (in Python: accept_changes=True)" if self.code_changes else ""
        return (
            f"The study {self.job.name!r} is finished and trains nothing, so these changes have no effect: "
            f"{'; '.join(changes)}. With a larger budget{accepted} it resumes with them."
        )


def session_start(
    job: TuneJob,
    store: Store,
    storage: str | Path,
    *,
    resume: bool,
    accept_changes: bool,
    take_over: bool,
    note: Callable[[str], None],
) -> SessionStart:
    """Find out what a session starts from; nothing is changed, except that a takeover repairs damaged files."""
    if not resume and abandoned(store, note):
        return SessionStart(with_starts(job, storage, note), replaces=True)
    job = warm_started(job, storage, note)
    saved, last = last_session(store, job, resume=resume, note=note, take_over=take_over)
    if saved is None:
        return SessionStart(job, last=last)
    job = reconciled(job, saved, store=store, accept_changes=accept_changes, last=last)
    changes = code_changes(job, saved, store) if accept_changes else ()
    document = read_document(store)
    if not any(from_study(function) for function in job.functions.values()):
        # The study's copies were loaded for comparison; the job's own modules run.
        forget_copies()
        if accept_changes:
            document = {name: value for name, value in document.items() if name != "sources"}
    start = SessionStart(job, saved, last, document=document, code_changes=changes)
    return start if start.finished or last is None else replace(start, state=_stored_state(job, last))


def replace_abandoned(store: Store, job: TuneJob, note: Callable[[str], None]) -> None:
    """Delete a study without epochs, unless another driver has begun it again since `session_start` found it."""
    found = _session_starts(store)
    if not abandoned(store, note):
        last_session(store, job, resume=False, note=note)

    def check() -> None:
        # Files that are gone are no sign of another study: another driver may be replacing this one, too.
        if any(found.get(path) != start for path, start in _session_starts(store).items()):
            raise StudyExists(
                f"Another driver has just begun the study {job.name!r} in {store.uri}. Give the new study another name "
                "with --name (name=…)."
            )

    note(f"The existing study {job.name!r} has no epoch, and its driver has ended: the new study replaces it.")
    remove(store, check)


def _session_starts(store: Store) -> Mapping[str, bytes]:
    """The first bytes of each session's file, in which each driver has another mark."""
    starts = {}
    for path in store.files("sessions"):
        with suppress(FileNotFoundError):
            starts[path] = store.read_start(path, MARK_WITHIN)
    return starts


def unusable_state(last: Mapping[str, Any], job: TuneJob, why: str) -> StorageError:
    """The error of a study whose state cannot be restored."""
    return StorageError(
        f"The study {job.name!r} cannot be resumed from the state of its trials in {layout.session(last['number'])} "
        f"({why}). Restore the file, or start another study with --name."
    )


def _stored_state(job: TuneJob, last: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state of the trials that the last session has left; empty if it has left none."""
    state: Mapping[str, Any] = last["resume"] or {}
    if state.get("trials") and (why := unsaved_state(job)) is not None:
        raise NotResumable(
            f"The study {job.name!r} cannot be resumed: {why}. Start another with --name, from its best configs "
            f"with --start-from {job.name}; or use a scheduler and a searcher of tunepipe."
        )
    decided = state.get("decided", 0)
    if type(decided) is not int:
        raise unusable_state(last, job, f"it decided {decided!r:.100}")
    return state
