"""A study's folder: study.json, copies of the job's code, its own entries and all others; and the studies of a storage.

A link is never the study's own: neither it nor its target is touched. A user's output never goes among the files of a
study.
"""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from pipeline.code.functions import digest_of
from pipeline.code.snapshot import Copies, Recorded, Snapshot, first_of, snapshot_of
from pipeline.errors import JobNotFound, StorageError
from pipeline.storage import Entry, Store, layout, unfinished
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.study.job import TuneJob
from pipeline.text import did_you_mean, sanitize_line

STORAGE_VARIABLE = "TUNEPIPE_STORAGE"
"""The environment variable that names the storage if no option does."""

STORAGE_WAIT_VARIABLE = "TUNEPIPE_STORAGE_WAIT"
"""The environment variable that lets a driver wait for a storage that does not answer."""

DEFAULT_STORAGE = "studies"

_AT_ONCE = 8

_SHOWN = 50


_DATA: TypeAdapter[Any] = TypeAdapter(dict[str, dict[str, Any]] | None)


def save_job(store: Store, job: TuneJob) -> None:
    _write(store, {**read_document(store), "job": job.to_json()})


def save_study(
    store: Store,
    job: TuneJob,
    *,
    snapshot: Snapshot | None = None,
    before: Mapping[str, Any] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Write study.json and copies of the files of the job's code; `before` is the document of the last session.

    study.json comes first: after a kill, no file is left that it does not name.
    """
    snapshot = snapshot_of(job.functions.values()) if snapshot is None else snapshot
    recorded = Recorded.read((before or {}).get("sources"))
    changed = {path: text for path, text in snapshot.files.items() if digest_of(text) != recorded.files.get(path)}
    recorded.files |= {path: str(digest_of(text)) for path, text in changed.items()}
    recorded.roots = tuple(map(str, snapshot.roots)) or recorded.roots
    if arguments is not None:
        recorded.arguments = tuple(arguments)
    sources = recorded.model_dump(exclude_none=True)
    document = {"schema_version": SCHEMA_VERSION, "job": job.to_json(), "sources": sources}
    data = (before or {}).get("data")
    _write(store, document if data is None else {**document, "data": data})
    # Also those that did not change: a session that was killed may have left older ones.
    for path, text in snapshot.files.items():
        store.write(layout.source(path), text)


def set_data(store: Store, fingerprint: Mapping[str, Any]) -> None:
    _write(store, {**read_document(store), "data": fingerprint})


def recorded_sources(store: Store) -> Recorded:
    return Recorded.read(read_document(store).get("sources"))


def recorded_data(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fingerprint of a study's data; None before its data were loaded."""
    try:
        _DATA.validate_python(data := document.get("data"))
    except ValidationError:
        raise StorageError(
            f"What {layout.STUDY} says about the study's data (`data`) is not what tunepipe wrote. Restore the file."
        ) from None
    return cast("Mapping[str, Any] | None", data)


def load_study(store: Store) -> TuneJob:
    """Read a study's job, and load its code: that of its copies, or what is loaded and has the same digests."""
    try:
        fields, copies = read_job(store), study_copies(store)
    except FileNotFoundError:
        raise no_study(store) from None
    return TuneJob.from_json(fields, copies=copies)


def saved_job(store: Store) -> TuneJob:
    """A study's job; its functions are only named, and none of its code is run."""
    return TuneJob.from_json(read_job(store), load=False)


def study_copies(store: Store) -> Copies:
    return Copies(recorded_sources(store), lambda path: store.read(layout.source(path)))


def read_job(store: Store) -> Mapping[str, Any]:
    """A study's job as JSON values, not validated."""
    fields = read_document(store).get("job")
    if not isinstance(fields, dict):
        raise StorageError(f"{layout.STUDY} in {store.uri} has no job. Restore the file that tunepipe wrote.")
    return fields


def read_document(store: Store) -> Mapping[str, Any]:
    """The content of study.json; only its version is checked."""
    document = store.read_json(layout.STUDY)
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or version != SCHEMA_VERSION:
        raise StorageError(
            f"{layout.STUDY} in {store.uri} has schema version {version!r:.100}; this tunepipe reads up to "
            f"{SCHEMA_VERSION}. Read it with the tunepipe that wrote it, or a newer one."
        )
    return cast("Mapping[str, Any]", document)


def _write(store: Store, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A command line may have bytes that are not UTF-8, which JSON has as escapes.
    store.write(layout.STUDY, text.encode(errors="backslashreplace"))


@dataclass(frozen=True, slots=True)
class Contents:
    """The entries of a study's folder: its own files, which tunepipe may delete and replace, and all others."""

    own: Sequence[Entry]
    untracked: Sequence[Entry]


def contents(store: Store) -> Contents:
    entries, copies = store.entries(), set[str]()
    with suppress(FileNotFoundError, StorageError):
        copies = set(map(layout.source, recorded_sources(store).files))
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


def listed_entries(entries: Sequence[Entry]) -> str:
    """The first of some entries and the number of the others, for a message."""
    # A line feed in a name would begin a line of the message.
    return first_of([sanitize_line(str(entry)) for entry in entries], _SHOWN)


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


def check_output(path: Path) -> None:
    """Make sure that a place which a user names may be written to: neither it nor its target is within a study."""
    for place in (Path(os.path.abspath(path)), Path(os.path.realpath(path))):  # noqa: PTH100 (links stay)
        for study in (place, *place.parents):
            within = place.relative_to(study).as_posix()
            is_free = within == layout.REPORT or (within.startswith(f"{layout.EXPORT}/") and not layout.names(within))
            if not is_free and os.path.isfile(study / layout.STUDY):  # noqa: PTH113 (of pathlib, no access is an error)
                raise StorageError(
                    f"{path} is within the study {study}, whose files only tunepipe writes. Nothing was written. Name "
                    "a place outside of it; in a study, only report.html and new files in export/ may be written."
                )


def default_storage() -> str:
    return os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE


def called(location: str) -> str:
    """The name of a study on a command line that is called in the current folder: as short as it can be."""
    name, storage = location.partition("?")[0].rpartition("/")[2], default_storage()
    # A server that has nothing to do with the study may not answer.
    if "://" in storage and not location.startswith(storage.partition("?")[0]):
        return location
    return name if location == Store(storage).folder(name).uri else location


def as_argument(location: str) -> str:
    """The name of a study in a command that works in a shell as it is printed: `called`, in quotes where needed."""
    return shlex.quote(called(location))


def study_names(store: Store) -> list[str]:
    """The names of the studies in a storage, sorted; they include studies whose study.json cannot be read."""
    from concurrent.futures import ThreadPoolExecutor

    # A study's folder may be a link to another disk.
    names = [name for name in store.folders() if name == name.encode(errors="replace").decode()]
    # An object store answers slowly, but answers several requests at once.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        are_studies = pool.map(lambda name: _is_study(store.folder(name)), names)
        return [name for name, is_study in zip(names, are_studies, strict=True) if is_study]


def _is_study(store: Store) -> bool:
    try:
        return store.exists(layout.STUDY)
    except StorageError:
        # One entry must not hide the others: a reader of the entry gets the reason.
        return True


def no_study(store: Store) -> JobNotFound:
    # A question mark in a path is part of a name.
    head, mark, query = store.uri.partition("?") if store.local is None else (store.uri, "", "")
    parent, _, name = head.rpartition("/")
    names = study_names(Store(parent + mark + query)) if parent and not parent.endswith(":/") else []
    available = f" Available: {', '.join(names[:_SHOWN])}." if names else ""
    return JobNotFound(
        f"There is no study {name!r} in {parent or '/'}.{did_you_mean(name, names, quoted=True)}{available} "
        "`tunepipe studies --storage URI` lists those of a storage; `tunepipe run JOB` creates one."
    )
