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


@dataclass(frozen=True, slots=True)
class Contents:
    own: Sequence[Entry]
    untracked: Sequence[Entry]


def contents(store: Store) -> Contents:
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
    with suppress(FileNotFoundError, StorageError):
        return set(map(layout.source, recorded_sources(store).files))
    return set()


def listed_entries(entries: Sequence[Entry], *, most: int = _SHOWN) -> str:
    """The first of some entries and the number of the others, for a message."""
    more = f" and {len(entries) - most:,} more" if len(entries) > most else ""
    # A line feed in a name would begin a line of the message.
    return ", ".join(sanitize_line(str(entry)) for entry in entries[:most]) + more


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


def check_output(path: Path, *, winner_of: Path | None = None) -> None:
    """Make sure that a place which a user names may be written to: neither it nor its target is within a study."""
    if winner_of is not None and os.path.realpath(path) == os.path.realpath(winner_of / layout.EXPORT):
        return
    for place in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):  # noqa: PTH100 (links stay)
        for study in (place, *place.parents):
            if os.path.lexists(study / layout.STUDY) and not _is_free(place.relative_to(study).as_posix()):
                raise StorageError(
                    f"{path} is within the study {study}, whose files only tunepipe writes. Nothing was written. Name "
                    "a place outside of it; in a study, only report.html and new files in export/ may be written."
                )


def _is_free(path: str) -> bool:
    return path == layout.REPORT or (path.startswith(f"{layout.EXPORT}/") and not layout.names(path))
