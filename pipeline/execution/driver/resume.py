"""What a session starts from: a new study, one without epochs that it replaces, or a study that it resumes.

Nothing is changed, except that a takeover repairs damaged files, and that a study without epochs is replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.code import forget_copies, from_study, is_loadable
from pipeline.errors import NotResumable, StorageError, StudyExists
from pipeline.execution.driver.earlier_studies import warm_started, with_starts
from pipeline.execution.driver.resumed_job import code_changes, reconciled
from pipeline.storage import Entry, Store, unfinished
from pipeline.storage.lease import MARK_WITHIN, take_over as prepare
from pipeline.storage.sessions import SILENT_SECONDS, describe_driver, driver_alive, heartbeat_within, read_sessions
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.contents import check_output_folder, contents, listed_entries, refuse_links, remove
from pipeline.study.files import read_document, read_job
from pipeline.study.studies import as_argument


def unloadable_functions(job: TuneJob) -> str | None:
    """Which functions of a job are in no file, and how its study is resumed then; None if all are copied."""
    names = list(dict.fromkeys(each.__qualname__ for each in job.functions.values() if not is_loadable(each)))
    if not names:
        return None
    return (
        f"{', '.join(names)} {'are' if len(names) > 1 else 'is'} not defined in a file that the study can copy: "
        "run(JOB, resume=True) resumes the study where the same functions are defined; `tunepipe resume` cannot."
    )


def unsaved_state(job: TuneJob) -> str | None:
    """Why a study cannot be resumed, as a part of a sentence; None if it can."""
    kinds = [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]
    if not kinds:
        return None
    return f"the state of {' and '.join(kinds)} cannot be saved"


def has_epochs(store: Store) -> bool:
    """Whether a study has trained an epoch: one in its tables, or one that only a checkpoint holds."""
    return bool(store.files("epochs") or store.files("checkpoints"))


def abandoned(store: Store, note: Callable[[str], None]) -> bool:
    """Whether a folder has a study that trained nothing, and whose driver is gone: a new study may replace it."""
    if not store.exists(layout.STUDY) or has_epochs(store) or store.link() is not None or contents(store).untracked:
        return False
    try:
        read_job(store)
    except StorageError:
        # A file of that name that no driver wrote; it is not replaced.
        return False
    _finish_beginning(store, note)
    sessions = read_sessions(store, only_last=True)
    return not (sessions and driver_alive(store, sessions[-1], note))


def last_session(
    store: Store, job: TuneJob, *, resume: bool, note: Callable[[str], None], take_over: bool = False
) -> tuple[TuneJob | None, Mapping[str, Any] | None]:
    """A study's own job and its last session."""
    exists = store.exists(layout.STUDY)
    if exists:
        refuse_links(store)
    elif others := _other_files(store):
        raise StorageError(
            f"{store.uri} has files that belong to no study: {listed_entries(others)}. Nothing was changed: choose "
            "another --name or --storage."
        )
    elif store.local is not None:
        check_output_folder(store.local)
    if exists and not resume:
        raise StudyExists(
            f"There is already a study {job.name!r} in {store.uri}. Resume it with --resume (in Python: "
            "resume=True), give the new one another name with --name (name=…), or delete it with `tunepipe delete`."
        )
    if take_over:
        prepare(store, note)
    else:
        _finish_beginning(store, note)
    sessions = read_sessions(store, only_last=True, resume=True)
    last = sessions[-1] if sessions else None
    if last is not None and not take_over and driver_alive(store, last, note):
        study = as_argument(store.uri)
        raise StudyExists(
            f"The study {job.name!r} is already running: {describe_driver(last)}. Stop it: `tunepipe stop {study}`. "
            f"If that driver hangs or is lost, resume without it: `tunepipe resume {study} --take-over`."
        )
    return load_study(store, here=job.functions.values(), placeholders=True) if exists else None, last


def _finish_beginning(store: Store, note: Callable[[str], None]) -> None:
    """Record a session as interrupted whose file is empty: its driver was killed while it took the number.

    That happens on file systems without hard links, where a new file is empty for a moment.
    """
    sizes = {path: size for path, size in store.sizes("sessions") if layout.names(path) and path.endswith(".json")}
    newest = max(sizes, key=lambda path: int(PurePosixPath(path).stem), default=None)
    if newest is None or sizes[newest]:
        return
    if (left := SILENT_SECONDS - store.age(newest)) > 0:
        note(f"{newest} in {store.uri} is empty. Waiting up to {left:.0f} s for the driver that may be writing it.")
        if heartbeat_within(store, left):
            return
    prepare(store, note)


def _other_files(store: Store) -> Sequence[Entry]:
    """The files of a folder without a study.json, except those of a driver that was killed while it began."""
    entries = contents(store)
    late = [entry for entry in entries.own if not (layout.is_beginning(entry.path) or unfinished(entry.path))]
    return [*late, *entries.untracked]


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
