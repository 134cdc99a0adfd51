"""The entries of a study's folder: the study's own files, which tunepipe may delete and replace, and all others.

A link is never the study's own: neither it nor its target is touched. A user's output never goes among the files of a
study.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.storage import Entry, Store, unfinished
from pipeline.study import layout
from pipeline.study.files import recorded_sources
from pipeline.text import sanitize_line

_SHOWN = 50

_OPEN_FILES = ("/dev/", "/proc/")
"""Links below these folders are names of open files and devices, such as /dev/stdout."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The entries of a study's folder."""

    own: Sequence[Entry]
    untracked: Sequence[Entry]


def contents(store: Store) -> Contents:
    """List a study's folder."""
    entries, copies = store.entries(), _recorded_copies(store)
    # A driver writes its session's file first: before that, a file that only looks like a study's is untracked.
    is_study = any(entry.kind == "file" and _marks_a_study(entry.path) for entry in entries)
    above = {entry.path[:place] for entry in entries for place, letter in enumerate(entry.path) if letter == "/"}
    own, untracked = [], []
    for entry in entries:
        path = unfinished(entry.path) or entry.path
        named = path in copies if path.startswith(f"{layout.SOURCE}/") else layout.names(path)
        if entry.kind == "file" and named and (is_study or _marks_a_study(path)):
            own.append(entry)
        elif entry.kind != "folder" or (entry.path not in above and not layout.names_folder(entry.path)):
            untracked.append(entry)
    return Contents(own, untracked)


def _marks_a_study(path: str) -> bool:
    return path == layout.STUDY or (path.startswith("sessions/") and layout.names(path))


def _recorded_copies(store: Store) -> set[str]:
    """Paths of the copies that study.json records."""
    with suppress(FileNotFoundError, StorageError):
        return set(map(layout.source, recorded_sources(store).files))
    return set()


def listed_entries(entries: Sequence[Entry], *, most: int = _SHOWN) -> str:
    """The first of some entries and the number of the others, for a message."""
    more = f" and {len(entries) - most:,} more" if len(entries) > most else ""
    # A line feed in a name would begin a line of the message.
    return ", ".join(sanitize_line(str(entry)) for entry in entries[:most]) + more


def refuse_links(store: Store) -> None:
    """Refuse to write to a study in which one of its files or folders is a link."""
    if store.local is None:
        return
    # tunepipe writes to no path in a trial's working folder, where the trial's code may create links.
    links = [entry for entry in store.entries() if entry.kind == "link" and layout.file_of(entry.path) is None]
    if wrong := [link for link in links if layout.names(link.path) or layout.names_folder(link.path)]:
        raise StorageError(
            f"These files of {store.uri} are links: {listed_entries(wrong)}. Links within a study are not followed, "
            "and nothing was changed. Replace each link by its target, or delete it."
        )


def sweep(store: Store) -> None:
    """Delete the unfinished files of killed writers. There must be no other writer."""
    store.delete_all([entry.path for entry in contents(store).own if unfinished(entry.path) is not None])


def remove(store: Store) -> Sequence[Entry]:
    """Delete a study's own files and its empty folders; returns the entries that stay."""
    paths = [entry.path for entry in contents(store).own]
    # study.json last, sessions before it: after an interrupted deletion the rest is still a study, and can be deleted
    # again.
    sessions = [path for path in paths if path.startswith("sessions/")]
    last = [*sessions, *(path for path in paths if path == layout.STUDY)]
    store.delete_all([path for path in paths if path not in last])
    for path in last:
        store.delete(path)
    store.delete_empty_folders()
    return contents(store).untracked


def check_output_file(path: Path) -> None:
    """Make sure that a file which a user names may be written: it is no link, and outside of studies."""
    if path.is_symlink() and not os.path.abspath(path).startswith(_OPEN_FILES):  # noqa: PTH100 (links stay)
        raise StorageError(
            f"{path} is a link to {path.readlink()}, and no link is written through. Nothing was written. Name the "
            "link's target, or another file."
        )
    _refuse_within_study(path, "file")


def check_output_folder(path: Path, *, winner_of: Path | None = None) -> None:
    """Make sure that a folder which a user names may be written to: it is outside of studies."""
    if winner_of is None or os.path.realpath(path) != os.path.realpath(winner_of / layout.EXPORT):
        _refuse_within_study(path, "folder")


def _refuse_within_study(path: Path, what: str) -> None:
    # By its name and by where links lead: neither may be within a study.
    for place in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):  # noqa: PTH100 (links stay)
        for study in (place, *place.parents):
            if os.path.lexists(study / layout.STUDY) and not _is_free(place.relative_to(study).as_posix()):
                raise StorageError(
                    f"{path} is within the study {study}, whose files only tunepipe writes. Nothing was written. Name "
                    f"a {what} outside of it; in a study, only report.html and new files in export/ may be written."
                )


def _is_free(path: str) -> bool:
    """Whether a path within a study is free for a user's output."""
    return path == layout.REPORT or (path.startswith(f"{layout.EXPORT}/") and not layout.names(path))
