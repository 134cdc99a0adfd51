"""A study's specification as files: study.json, and copies of the job's code."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, cast

from pipeline.code import Copies, Recorded, Snapshot, digest_of, snapshot_of
from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.study import layout
from pipeline.study.job import TuneJob
from pipeline.study.studies import no_study

_TYPES: dict[str, Any] = {
    **{"shape": list, "dtype": str, "pipeline": str, "elements": str, "sha256": str | None, "batches": int | None},
    **{"rows": int, "files": int, "buffer": int},
}
"""What a fingerprint says about an array or a pipeline."""


def save_job(store: Store, job: TuneJob) -> None:
    """Write the job of a study again, whose code is the same."""
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

    study.json comes first. If this process is killed before all copies are written, no file is left that study.json
    does not name, and the study continues with the job's own files, which have the digests there.
    """
    snapshot = snapshot_of(job.functions.values()) if snapshot is None else snapshot
    recorded = Recorded((before or {}).get("sources"))
    changed = {path: text for path, text in snapshot.files.items() if digest_of(text) != recorded.files.get(path)}
    recorded.files |= {path: str(digest_of(text)) for path, text in changed.items()}
    recorded.roots = tuple(map(str, snapshot.roots)) or recorded.roots
    if arguments is not None:
        recorded.arguments = tuple(arguments)
    document = {"schema_version": SCHEMA_VERSION, "job": job.to_json(), "sources": recorded.to_json()}
    data = (before or {}).get("data")
    _write(store, document if data is None else {**document, "data": data})
    present = set(store.files(layout.SOURCE)) if len(changed) < len(snapshot.files) else set()
    for path, text in snapshot.files.items():
        if path in changed or layout.source(path) not in present:
            store.write(layout.source(path), text)


def set_data(store: Store, fingerprint: Mapping[str, Any]) -> None:
    """Record the fingerprint of a study's data."""
    _write(store, {**read_document(store), "data": fingerprint})


def recorded_sources(store: Store) -> Recorded:
    """What study.json says about the copies of the job's code."""
    return Recorded(read_document(store).get("sources"))


def recorded_data(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fingerprint of a study's data; None before its data were loaded."""
    data = document.get("data")
    combinations = data.get("combinations") if isinstance(data, dict) and len(data) == 1 else None
    if combinations is not None:
        sound = isinstance(combinations, list) and all(
            isinstance(each, dict)
            and isinstance(each.get("config"), dict)
            and isinstance(absent := each.get("absent"), list)
            and all(isinstance(name, str) for name in absent)
            and _is_fingerprint(each.get("arrays"))
            for each in combinations
        )
    else:
        sound = data is None or _is_fingerprint(data)
    if not sound:
        raise StorageError(
            f"What {layout.STUDY} says about the study's data (`data`) is not what tunepipe wrote. Restore the file."
        )
    return cast("Mapping[str, Any] | None", data)


def _is_fingerprint(found: Any) -> bool:
    return isinstance(found, dict) and all(
        isinstance(entry, dict)
        and ({"pipeline", "elements"} <= entry.keys() or {"shape", "dtype"} <= entry.keys())
        and all(isinstance(value, _TYPES.get(name, object)) for name, value in entry.items())
        and all(type(size) is int for size in entry.get("shape", ()))
        for entry in found.values()
    )


def load_study(store: Store, *, here: Collection[Callable[..., Any]] = (), placeholders: bool = False) -> TuneJob:
    """Read a study's job.

    Args:
        store: The study's folder.
        here: Functions without a file, which replace those of the study that do the same.
        placeholders: Whether another function without a file is only named, instead of being a fault.

    Raises:
        JobNotFound: There is no study.
        InvalidJob: The job is not one, or its code cannot be loaded; lists every fault.
    """
    try:
        fields, recorded = read_job(store), recorded_sources(store)
    except FileNotFoundError:
        raise no_study(store) from None
    copies = Copies(recorded, lambda path: store.read(layout.source(path)))
    return TuneJob.from_json(fields, copies=copies, here=here, placeholders=placeholders)


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
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise StorageError(
            f"{layout.STUDY} in {store.uri} has schema version {version!r:.100}; this tunepipe reads up to "
            f"{SCHEMA_VERSION}. Read it with the tunepipe that wrote it, or a newer one."
        )
    return cast("Mapping[str, Any]", document)


def _write(store: Store, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A command line may have bytes that are not UTF-8, which JSON has as escapes.
    store.write(layout.STUDY, text.encode(errors="backslashreplace"))
