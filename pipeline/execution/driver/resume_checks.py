"""Whether a driver may begin a session in a folder: which study is there, and whether another driver has it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import StorageError, StudyExists
from pipeline.execution.driver.session_end import has_epochs
from pipeline.storage import Entry, Store, unfinished
from pipeline.storage.lease import take_over as prepare
from pipeline.storage.sessions import SILENT_SECONDS, describe_driver, driver_alive, heartbeat_within, read_sessions
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.contents import check_output_folder, contents, listed_entries, refuse_links
from pipeline.study.files import read_job
from pipeline.study.studies import as_argument


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
