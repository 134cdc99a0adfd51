"""The entries of a study's folder: the study's own files, which tunepipe may delete and replace, and all others.

A link is never the study's own: neither it nor its target is touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pipeline.errors import StorageError
from pipeline.sanitize import sanitize_line
from pipeline.storage import Entry, Store, unfinished
from pipeline.study import layout
from pipeline.study.files import read_document
from pipeline.study.recorded_copies import RecordedCopies

_SHOWN = 50


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
        is_source = path.startswith(f"{layout.SOURCE}/")
        named = path in copies if is_source and copies is not None else layout.names(path)
        if entry.kind == "file" and named and (is_study or _marks_a_study(path)):
            own.append(entry)
        elif entry.kind != "folder" or (entry.path not in above and not layout.names_folder(entry.path)):
            untracked.append(entry)
    return Contents(own, untracked)


def _marks_a_study(path: str) -> bool:
    """Whether a file shows that its folder is a study's: study.json, or a file of a driver session."""
    return path == layout.STUDY or (path.startswith("sessions/") and layout.names(path))


def _recorded_copies(store: Store) -> set[str] | None:
    """Paths of the copies that study.json records; None if it records none, or cannot be read."""
    try:
        document = read_document(store)
        recorded = RecordedCopies(document.get("sources"))
    except (FileNotFoundError, StorageError):
        return None
    if "sources" not in document:
        return None
    return {layout.source(path) for path in (*(path for path, _ in recorded.modules.values()), *recorded.files)}


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


def remove(store: Store, check: Callable[[], None] | None = None) -> Sequence[Entry]:
    """Delete a study's own files, and the folders that are then empty; everything else stays."""
    # study.json last, sessions before it: after an interrupted deletion the rest is still a study, and can be deleted
    # again, or replaced where there is no study.json yet.
    paths = [entry.path for entry in contents(store).own]
    if check is not None:
        paths = [path for path in paths if not _takes_a_number(path)]
    sessions = [path for path in paths if path.startswith("sessions/")]
    last = [*sessions, *(path for path in paths if path == layout.STUDY)]
    store.delete_all([path for path in paths if path not in last], check)
    for path in last:
        if check is not None:
            check()
        store.delete(path)
    store.delete_empty_folders()
    return contents(store).untracked


def _takes_a_number(path: str) -> bool:
    """Whether a file is an unfinished one of a driver's session, such as its claim in an object store."""
    return path.startswith("sessions/") and unfinished(path) is not None
