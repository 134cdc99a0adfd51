"""The data of a study: the same in every session, or the user accepts that they differ."""

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from pipeline.datasets import Dataset, differences, fingerprint, takes_config
from pipeline.errors import DataError, StorageError
from pipeline.storage import Store
from pipeline.storage.scratch import SharedFolder
from pipeline.study import TuneJob, layout
from pipeline.training.data import load_data

Loaded: TypeAlias = tuple[Dataset | None, Mapping[str, Any] | None]
"""Data, and what the study records of them; None for a function objective."""


def load_study_data(job: TuneJob, before: Mapping[str, Any] | None, *, accept_changes: bool) -> Loaded:
    """The data, and what the study records of them; refuses others than before, unless changes are accepted.

    Of a data function that takes the config, they are those for one config, the same in each session.
    """
    data = load_data(job, trains=job.resources.workers == 0)
    now = None if data is None else fingerprint(data)
    if accept_changes or before is None or now is None or not (changes := differences(before, now)):
        return data, now
    raise DataError(
        f"The data differ from those that the study {job.name!r} began with: {'; '.join(changes)}. Earlier trials "
        "could not be compared with new ones. Restore the data, accept these with --accept-changes (in Python: "
        "accept_changes=True), or start another with --name. A data function must return the same data at each call; "
        "`tunepipe check` tests this."
    )


def made_by_workers(job: TuneJob, data: Dataset) -> bool:
    """Whether workers call the data function: pipelines cannot be sent to them, and other configs may have other
    data.
    """
    return callable(job.data) and (bool(data.pipelines) or takes_config(job.data))


def shared_caches(store: Store, session: int) -> SharedFolder:
    """The folder of the caches of this machine, the same for all workers of a session.

    A session has the same code, data and versions from start to end, which caches of another session may not have.
    """

    def key() -> str:
        # A study that was deleted may have had the same name and number.
        with suppress(FileNotFoundError, StorageError, KeyError, TypeError):
            return str(store.read_json(layout.session(session))["mark"])
        return uuid.uuid4().hex

    return SharedFolder(key)
