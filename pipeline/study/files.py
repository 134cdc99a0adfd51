"""A study's specification as files: study.json, and copies of the job's code."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipeline.code.functions import digest_of
from pipeline.code.snapshot import Copies, Recorded, Snapshot, snapshot_of
from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.study import layout
from pipeline.study.job import TuneJob
from pipeline.study.studies import no_study


class _Elements(BaseModel):
    """What the fingerprint of an array, or of a pipeline, says."""

    model_config = ConfigDict(strict=True)

    sha256: str | None = None
    batches: int | None = None
    rows: int = 0
    files: int = 0
    buffer: int = 0


class _Array(_Elements):
    shape: list[int]
    dtype: str


class _Pipeline(_Elements):
    pipeline: str
    elements: str


class _Combination(BaseModel):
    config: dict[str, Any]
    absent: list[str]
    arrays: dict[str, _Array | _Pipeline]


_DATA: TypeAdapter[Any] = TypeAdapter(
    dict[str, _Array | _Pipeline] | dict[Literal["combinations"], list[_Combination]] | None
)
"""The fingerprint of a study's data: of one data set, or of those of several configs."""


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
    _write(store, {**read_document(store), "data": fingerprint})


def recorded_sources(store: Store) -> Recorded:
    return Recorded(read_document(store).get("sources"))


def recorded_data(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fingerprint of a study's data; None before its data were loaded."""
    try:
        _DATA.validate_python(data := document.get("data"))
    except ValidationError:
        raise StorageError(
            f"What {layout.STUDY} says about the study's data (`data`) is not what tunepipe wrote. Restore the file."
        ) from None
    return cast("Mapping[str, Any] | None", data)


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
