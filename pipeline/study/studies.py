"""The storage of studies, the studies in it, and the message when a study does not exist."""

import os
import shlex

from pipeline.errors import JobNotFound, StorageError
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.text import did_you_mean

STORAGE_VARIABLE = "TUNEPIPE_STORAGE"
"""The environment variable that names the storage if no option does."""

STORAGE_WAIT_VARIABLE = "TUNEPIPE_STORAGE_WAIT"
"""The environment variable that says for how many seconds a driver waits for a storage that does not answer."""

DEFAULT_STORAGE = "studies"
"""The default storage, a folder in the current folder."""

_AT_ONCE = 8
"""Folders that are looked at in parallel."""

_SHOWN = 12
"""Number of names in a message; `tunepipe studies` lists all."""


def default_storage() -> str:
    return os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE


def called(location: str) -> str:
    """The name of a study on a command line that is called in the current folder: as short as it can be."""
    name = location.partition("?")[0].rpartition("/")[2]
    return name if location == Store(default_storage()).folder(name).uri else location


def as_argument(location: str) -> str:
    """The name of a study in a command that works in a shell as it is printed: `called`, in quotes where needed."""
    return shlex.quote(called(location))


def study_names(store: Store) -> list[str]:
    """The names of the studies in a storage, sorted; they include studies whose study.json cannot be read."""
    from concurrent.futures import ThreadPoolExecutor

    # A study's folder may be a link to another disk.
    names = store.folders()
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
    if inside := study_names(store):
        return JobNotFound(f"{head} is not a study but contains some: {_some(inside)}. Name one of them.")
    names = study_names(Store(parent + mark + query)) if parent and not parent.endswith(":/") else []
    available = f"Available: {_some(names)}." if names else "`tunepipe run JOB` creates one."
    return JobNotFound(
        f"There is no study {name!r} in {parent or '/'}.{did_you_mean(name, names, quoted=True)} {available} "
        "`tunepipe studies --storage URI` lists those of another storage."
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
