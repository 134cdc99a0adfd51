"""Deleting a study: all of it or nothing, not while its driver is alive, and no file that is not its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import StorageError, StudyExists
from pipeline.storage import Entry, Store
from pipeline.storage.sessions import describe_driver, driver_alive, heartbeat_within, read_sessions
from pipeline.study import layout
from pipeline.study.contents import contents, listed_entries, remove
from pipeline.study.files import read_job
from pipeline.study.studies import as_argument, called, no_study
from pipeline.text import by_count, size

_OF_TRIALS = 5
"""Number of files in working folders that the question names."""


@dataclass(frozen=True, slots=True)
class Deletable:
    """The files of a study that may be deleted."""

    files: int
    bytes: int
    of_trials: Sequence[Entry]

    def __str__(self) -> str:
        """Their number and size, and the names of the first files in working folders."""
        text = f"{self.files:,} files, {size(self.bytes)}"
        if not self.of_trials:
            return f"{text}."
        return (
            f"{text}. This includes all files in the working folders of its trials, including your own: "
            f"{listed_entries(self.of_trials, most=_OF_TRIALS)}."
        )


def check_deletable(store: Store, note: Callable[[str], None]) -> Deletable:
    """Make sure that a study may be deleted."""
    if (target := store.link()) is not None:
        raise StorageError(
            f"{store.uri} is a link to {target}. Nothing was deleted: links are not followed. To delete the study, "
            "name that folder itself, and remove the link yourself."
        )
    try:
        read_job(store)
    except FileNotFoundError:
        raise no_study(store) from None
    entries = contents(store)
    if entries.untracked:
        what = by_count(len(entries.untracked), "entry that is", "entries that are")
        raise StorageError(
            f"{store.uri} has {len(entries.untracked):,} {what} not the study's: "
            f"{listed_entries(entries.untracked)}. Nothing was deleted. Move them out of the folder, then delete "
            "the study."
        )
    try:
        sessions = read_sessions(store, only_last=True)
    except StorageError as error:
        # The file of the driver cannot be read, but a driver that is alive writes it again.
        note(f"{error} Waiting for a heartbeat.")
        if heartbeat_within(store):
            raise StudyExists(
                f"A driver is running the study in {store.uri}. Nothing was deleted. Stop it first."
            ) from None
        sessions = []
    if sessions and driver_alive(store, sessions[-1], note):
        raise StudyExists(
            f"The study {called(store.uri)!r} is running: {describe_driver(sessions[-1])}. Nothing was deleted. Stop "
            f"it first: `tunepipe stop {as_argument(store.uri)}`."
        )
    of_trials = [entry for entry in entries.own if layout.file_of(entry.path) is not None]
    return Deletable(len(entries.own), sum(entry.size for entry in entries.own), of_trials)


def delete(store: Store, note: Callable[[str], None]) -> None:
    """Delete a study's files and folders."""
    check_deletable(store, note)
    if left := remove(store):
        raise StorageError(
            f"The study in {store.uri} is deleted, except files of other programs that appeared in the meantime: "
            f"{listed_entries(left)}."
        )
