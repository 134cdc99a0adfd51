"""A study's specification as files: study.json, and copies of the sources that it names."""

import atexit
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import Any, cast

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.storage.scratch import scratch
from pipeline.study import layout
from pipeline.study.job import TuneJob
from pipeline.study.recorded_copies import RecordedCopies, digest_of
from pipeline.study.sources import Sources, sources_of
from pipeline.study.studies import no_study


def save_job(store: Store, job: TuneJob) -> None:
    """Write the job of a study again, whose code is the same."""
    _write(store, {**read_document(store), "job": job.to_json()})


def save_study(
    store: Store,
    job: TuneJob,
    *,
    sources: Sources | None = None,
    before: Mapping[str, Any] | None = None,
    arguments: Sequence[str] | None = None,
) -> None:
    """Write study.json and copies of the sources of the job's code.

    study.json comes first. If this process is killed before all copies are written, no file is left that study.json
    does not name, and the study continues with the job's own files, which have the digests there.
    """
    sources = sources_of(job) if sources is None else sources
    recorded = RecordedCopies((before or {}).get("sources"))
    for file in sources.files:
        recorded.modules[file.module] = (file.path, str(digest_of(file.content)))
    for file in sources.data:
        recorded.files[file.path] = str(digest_of(file.content))
    if arguments is not None:
        recorded.arguments = tuple(arguments)
    if sources.folders:
        recorded.folders = tuple(str(folder) for folder in sources.folders)
    document = {"schema_version": SCHEMA_VERSION, "job": job.to_json(), "sources": recorded.to_json()}
    data = (before or {}).get("data")
    _write(store, document if data is None else {**document, "data": data})
    for file in (*sources.files, *sources.data):
        store.write(layout.source(file.path), file.content)


def add_sources(store: Store, found: Mapping[str, tuple[str, str]]) -> None:
    """Copy sources that the job's code has imported while it ran, without naming them in its text."""
    document = dict(read_document(store))
    recorded = RecordedCopies(document.get("sources"))
    for module, (path, text) in found.items():
        if module not in recorded.modules:
            store.write(layout.source(path), text)
            recorded.modules[module] = (path, str(digest_of(text.encode())))
    _write(store, {**document, "sources": recorded.to_json()})


def set_data(store: Store, fingerprint: Mapping[str, Any]) -> None:
    """Record the fingerprint of a study's data."""
    _write(store, {**read_document(store), "data": fingerprint})


def recorded_sources(store: Store) -> RecordedCopies:
    """What study.json says about the copies of the job's sources."""
    return RecordedCopies(read_document(store).get("sources"))


def recorded_data(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The fingerprint of a study's data; None in a study of an older tunepipe."""
    data = document.get("data")
    if data is None:
        return None
    if not (_is_combinations(data) or _is_fingerprint(data)):
        raise StorageError(
            f"What {layout.STUDY} says about the study's data (`data`) is not what tunepipe wrote. Restore the file."
        )
    return cast("Mapping[str, Any]", data)


def _is_combinations(found: Any) -> bool:
    """Whether this is the record of a data function that takes the config."""
    entries = found.get("combinations") if isinstance(found, dict) and len(found) == 1 else None
    return isinstance(entries, list) and all(
        isinstance(entry, dict)
        and isinstance(entry.get("config"), dict)
        and isinstance(absent := entry.get("absent"), list)
        and all(isinstance(name, str) for name in absent)
        and _is_fingerprint(entry.get("arrays"))
        for entry in entries
    )


def _is_fingerprint(found: Any) -> bool:
    return isinstance(found, dict) and all(isinstance(entry, dict) and _is_entry(entry) for entry in found.values())


def _is_entry(entry: Mapping[str, Any]) -> bool:
    if "pipeline" in entry:
        batches, texts = entry.get("batches"), (entry["pipeline"], entry.get("elements"))
        counts = [entry.get(name, 0) for name in ("rows", "files", "buffer")]
        whole = all(type(count) is int for count in (*counts, 0 if batches is None else batches))
        return whole and all(isinstance(text, str) for text in (*texts, entry.get("sha256", "")))
    shape, kind, digest = entry.get("shape"), entry.get("dtype"), entry.get("sha256")
    numbers = isinstance(shape, list) and all(type(size) is int for size in shape)
    return numbers and isinstance(kind, str) and isinstance(digest, str | None)


def saved_texts(store: Store) -> dict[str, bytes]:
    """The texts of a study's copies: of modules by module, of other files by path; missing copies are left out."""
    texts, recorded = {}, recorded_sources(store)
    paths = {module: path for module, (path, _) in recorded.modules.items()}
    for module, path in {**paths, **{path: path for path in recorded.files}}.items():
        if store.exists(layout.source(path)):
            texts[module] = store.read(layout.source(path))
    return texts


def load_study(store: Store, *, here: Collection[Callable[..., Any]] = (), placeholders: bool = False) -> TuneJob:
    """Read a study's job."""
    try:
        fields, recorded = read_job(store), recorded_sources(store)
    except FileNotFoundError:
        raise no_study(store) from None
    return TuneJob.from_json(
        fields, source=_sources(store, recorded), recorded=recorded, here=here, placeholders=placeholders
    )


def read_job(store: Store) -> Mapping[str, Any]:
    """A study's job as JSON values, not validated."""
    fields = read_document(store).get("job")
    if not isinstance(fields, dict):
        raise StorageError(f"{layout.STUDY} in {store.uri} has no job. Restore the file that tunepipe wrote.")
    return fields


def read_document(store: Store) -> Mapping[str, Any]:
    """The content of study.json; only its version is checked."""
    document = store.read_json(layout.STUDY)
    where = f"{layout.STUDY} in {store.uri}"
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise StorageError(
            f"{where} has schema version {version!r:.100}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or a newer one."
        )
    return cast("Mapping[str, Any]", document)


def _write(store: Store, document: Mapping[str, Any]) -> None:
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    # A command line may have bytes that are not UTF-8, which JSON has as escapes.
    store.write(layout.STUDY, text.encode(errors="backslashreplace"))


def _sources(store: Store, recorded: RecordedCopies) -> Path:
    if store.local is not None:
        return store.local / layout.SOURCE
    # Kept until the process ends: Python reads a function's source for tracebacks, TensorFlow for tracing.
    kept = ExitStack()
    folder = kept.enter_context(scratch("source"))
    atexit.register(kept.close)
    others = {layout.source(path) for path in recorded.files}
    for path in store.files(layout.SOURCE):
        if path.endswith(".py") or path in others:
            copy = folder / PurePosixPath(path).relative_to(layout.SOURCE)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(store.read(path))
    return folder
