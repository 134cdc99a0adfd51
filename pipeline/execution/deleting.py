"""A study is deleted whole, or not at all: not while its driver is at work, and never what is not its own."""

from collections.abc import Callable
from pathlib import PurePosixPath

from pipeline.errors import StorageError, StudyExists
from pipeline.execution.sessions import at_work
from pipeline.results.sessions import read_sessions
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.files import read_job
from pipeline.study.studies import no_study

__all__ = ["deletable", "delete"]

_SHOWN = 5


def deletable(store: Store, note: Callable[[str], None]) -> tuple[int, int]:
    """Whether a study may be deleted.

    Args:
        store: The study's folder.
        note: Is told that there is something to wait for.

    Returns:
        How many files it has, and how many bytes.

    Raises:
        JobNotFound: There is no study there.
        StudyExists: Its driver is at work.
        StorageError: study.json is no study's, or the folder holds what is not the study's.
    """
    try:
        read_job(store)
    except FileNotFoundError:
        raise no_study(store) from None
    found = store.sizes()
    if others := [path for path, _ in found if PurePosixPath(path).parts[0] not in layout.ENTRIES]:
        more = f" and {len(others) - _SHOWN} more" if len(others) > _SHOWN else ""
        raise StorageError(
            f"{store.uri} holds what is not the study's: {', '.join(others[:_SHOWN])}{more}. Nothing was deleted. Move "
            "that out of the folder, then delete the study."
        )
    sessions = read_sessions(store)
    if sessions and at_work(store, sessions[-1], note):
        last = sessions[-1]
        raise StudyExists(
            f"The study in {store.uri} is running: process {last['pid']} on {last['host']} told of itself at "
            f"{last['heartbeat']}. Nothing was deleted. Stop it first."
        )
    return len(found), sum(size for _, size in found)


def delete(store: Store, note: Callable[[str], None]) -> None:
    """Delete a study's folder with all that is in it; raises as `deletable` does."""
    deletable(store, note)
    # study.json last: what is left of a deletion that was cut off is still a study, and can be deleted again.
    for entry in sorted({PurePosixPath(path).parts[0] for path in store.files()} - {layout.STUDY}):
        if PurePosixPath(entry).suffix:
            store.delete(entry)
        else:
            store.delete_folder(entry)
    store.delete(layout.STUDY)
    store.delete_folder()
