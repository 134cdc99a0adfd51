"""A study's specification as files: study.json, and copies of the sources that it names."""

import atexit
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.schema import SCHEMA_VERSION
from pipeline.storage.scratch import scratch
from pipeline.study import layout
from pipeline.study.code import is_saved, module_of, source_of
from pipeline.study.job import TuneJob
from pipeline.study.studies import no_study

__all__ = ["load_study", "read_job", "save_study"]


def save_study(store: Store, job: TuneJob) -> None:
    """Write study.json and copies of the sources of the job's functions.

    Args:
        store: The study's own folder.
        job: The study's job. Functions typed into a notebook are named but not copied: see `TuneJob.resumable`.

    Raises:
        StorageError: The storage cannot be written.
    """
    for function in job.functions.values():
        content = source_of(function)
        if content is not None and is_saved(function):
            store.write(layout.source(module_of(function)), content)
    # Last, so that whoever finds a study.json finds the sources too.
    document = {"schema_version": SCHEMA_VERSION, "job": job.to_json()}
    store.write(layout.STUDY, json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def load_study(store: Store) -> TuneJob:
    """Read a study's job back.

    Args:
        store: The study's own folder.

    Returns:
        The job; its functions are those of the modules loaded here if their source is the same, else of the copies.

    Raises:
        JobNotFound: There is no study there.
        InvalidJob: study.json or a copy of a source was changed to something that is not allowed.
        StorageError: study.json is not JSON, or of a schema version that is not known here.
    """
    try:
        fields = read_job(store)
    except FileNotFoundError:
        raise no_study(store) from None
    return TuneJob.from_json(fields, source=_sources(store))


def read_job(store: Store) -> Mapping[str, Any]:
    """A study's job as JSON values, not looked at yet.

    Args:
        store: The study's own folder.

    Raises:
        FileNotFoundError: There is no study.json.
        StorageError: It is not JSON, or of a schema version that is not known here.
    """
    document = store.read_json(layout.STUDY)
    where = f"{layout.STUDY} in {store.uri}"
    version = document.get("schema_version") if isinstance(document, dict) else None
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise StorageError(
            f"{where} has schema version {version!r:.100}; this tunepipe reads up to {SCHEMA_VERSION}. "
            "Read it with the tunepipe that wrote it, or a newer one."
        )
    fields = document.get("job")
    if not isinstance(fields, dict):
        raise StorageError(f"{where} has no job. Put back the file that tunepipe wrote.")
    return fields


def _sources(store: Store) -> Path:
    if store.local is not None:
        return store.local / layout.SOURCE
    # Kept as long as the process: Python reads a function's source again for tracebacks, TensorFlow for tracing.
    kept = ExitStack()
    folder = kept.enter_context(scratch("source"))
    atexit.register(kept.close)
    for path in store.files(layout.SOURCE):
        if path.endswith(".py"):
            (folder / Path(path).name).write_bytes(store.read(path))
    return folder
