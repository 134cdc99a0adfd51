"""The data of a study: the same in every session, or the user accepts that they differ."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from pipeline.datasets import (
    Dataset,
    RecordedConfig,
    differences,
    fingerprint,
    first_recorded,
    recorded_for,
    takes_config,
    with_combination,
)
from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.scratch import SharedFolder
from pipeline.study import TuneJob, layout
from pipeline.training.data import example_config, load_data

Loaded: TypeAlias = tuple[Dataset | None, Mapping[str, Any] | None]
"""Data, and what the study records of them; None for a function objective."""


def load_study_data(job: TuneJob, before: Mapping[str, Any] | None, *, accept_changes: bool) -> Loaded:
    """The data, and what the study records of them; refuses others than before, unless changes are accepted."""
    before = None if accept_changes else before
    config = RecordedConfig(example_config(job, dict(first_recorded(before)))) if takes_config(job.data) else None
    data = load_data(job, trains=job.resources.workers == 0, config=config)
    now = None if data is None else fingerprint(data)
    document: Mapping[str, Any] | None
    if config is None or now is None:
        document, known = now, before
    else:
        document = with_combination(before, config.reads, now)
        known = None if before is None else recorded_for(before, config.reads.values)
    how = "accept these with --accept-changes (in Python: accept_changes=True), or start another with --name"
    refuse_other_data(job.name, known, now, how)
    return data, document


def made_by_workers(job: TuneJob, data: Dataset) -> bool:
    """Whether workers call the data function: pipelines cannot be sent to them, and other configs may have other
    data.
    """
    return callable(job.data) and (bool(data.pipelines) or takes_config(job.data))


def refuse_other_data(
    name: str, before: Mapping[str, Any] | None, now: Mapping[str, Any] | None, alternative: str
) -> None:
    """Make sure that the data are those that a study began with."""
    if before is None or now is None or not (changes := differences(before, now)):
        return
    raise DataError(
        f"The data differ from those that the study {name!r} began with: {'; '.join(changes)}. Earlier trials could "
        f"not be compared with new ones. Restore the data, or {alternative}. A data function must return the same "
        "data at each call; `tunepipe check` tests this."
    )


def shared_caches(store: Store, session: int | None) -> SharedFolder:
    """The folder of the caches of this machine, the same for all workers of a session.

    A session has the same code, data and versions from start to end, which caches of another session may not have.
    """

    def key() -> str:
        # A study that was deleted may have had the same name and number.
        with suppress(FileNotFoundError, StorageError, KeyError, TypeError):
            return uuid.uuid4().hex if session is None else str(store.read_json(layout.session(session))["mark"])
        return uuid.uuid4().hex

    return SharedFolder(key)
