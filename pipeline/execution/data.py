"""The data of a study: the same in every session, or the user accepts that they differ."""

import shutil
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeAlias

from pipeline.datasets import (
    ConfigReads,
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
from pipeline.storage.scratch import SharedFolder, shared_root
from pipeline.study import TuneJob, layout
from pipeline.text import listed, size
from pipeline.training.data import example_config, load_data

Loaded: TypeAlias = tuple[Dataset | None, Mapping[str, Any] | None]
"""Data, and what the study records of them; None for a function objective."""


def start_loading(
    job: TuneJob,
    before: Mapping[str, Any] | None,
    *,
    accept_changes: bool,
    memory_on_cluster: Callable[[TuneJob], float] | None = None,
) -> Callable[[], Loaded]:
    """Begin to load a study's data while Ray starts.

    The user's data function is called later, in the main thread, which it may rely on. Where there is a fingerprint to
    compare with, the data are loaded first, and the study stays unchanged if they differ. Files of a study that joins a
    cluster are loaded when it has joined: whether they fit into memory is a matter of its nodes.
    """
    if before is not None and not accept_changes:
        data, now, reads = _load(job, before)
        alternative = (
            "accept these with --accept-changes (in Python: accept_changes=True), or start another with --name"
        )
        known = before if reads is None else recorded_for(before, reads.values)
        refuse_other_data(job.name, known, now, alternative)
        return lambda: (data, _document(before, now, reads))

    def fresh() -> Loaded:
        memory = None if memory_on_cluster is None else memory_on_cluster(job)
        data, now, reads = _load(job, None, memory)
        return data, _document(None, now, reads)

    if job.data is None or callable(job.data) or job.resources.workers == 0 or memory_on_cluster is not None:
        return fresh
    loaded: Future[Loaded] = Future()

    def load() -> None:
        try:
            loaded.set_result(fresh())
        except BaseException as error:
            loaded.set_exception(error)

    # Python waits for the thread at its end: one that still imports or reads while the interpreter is taken down
    # ends the process by a segmentation fault.
    threading.Thread(target=load, name="data", daemon=False).start()
    return loaded.result


def made_by_workers(job: TuneJob, data: Dataset) -> bool:
    """Whether workers call the data function: pipelines cannot be sent to them, and other configs may have other
    data.
    """
    return callable(job.data) and (bool(data.pipelines) or takes_config(job.data))


def _load(
    job: TuneJob, before: Mapping[str, Any] | None, memory: float | None = None
) -> tuple[Dataset | None, Mapping[str, Any] | None, ConfigReads | None]:
    """The data, their fingerprint, and what a data function that takes the config has read."""
    trains = job.resources.workers == 0
    config = RecordedConfig(example_config(job, dict(first_recorded(before)))) if takes_config(job.data) else None
    data = load_data(job, trains=trains, config=config, recorded=before, memory=memory)
    return data, None if data is None else fingerprint(data), None if config is None else config.reads


def _document(
    before: Mapping[str, Any] | None, now: Mapping[str, Any] | None, reads: ConfigReads | None
) -> Mapping[str, Any] | None:
    """What the study records of its data."""
    return now if reads is None or now is None else with_combination(before, reads, now)


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
        if session is not None:
            try:
                # A study that was deleted may have had the same name and number.
                return str(store.read_json(layout.session(session))["mark"])
            except (FileNotFoundError, StorageError, KeyError, TypeError):
                pass
        return uuid.uuid4().hex

    return SharedFolder(key)


def sharing_in_words(names: Sequence[str]) -> str | None:
    """What the trials of a node share, and where, as a clause; None if they share nothing."""
    if not names:
        return None
    named, root = listed(list(names)), shared_root()
    return (
        f"the trials of a node share {named}: one of them writes it to the node's temporary folder (here {root}, "
        f"{size(shutil.disk_usage(root).free)} free), the others read it there"
    )
