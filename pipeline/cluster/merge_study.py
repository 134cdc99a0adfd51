"""Merging a downloaded study into an earlier copy of it."""

from functools import partial
from pathlib import Path

from pipeline.errors import ClusterError
from pipeline.storage import Store, unfinished
from pipeline.storage.schema import TABLES
from pipeline.study import layout
from pipeline.study.contents import contents, refuse_links

_PIECE = 2**20
"""Bytes that are copied at a time."""


def merge_study(downloaded: Path, place: Path) -> Path:
    """Replace the files of a study's earlier copy by those of a newer one; files of other origin stay."""
    here, new = Store(place), Store(downloaded)
    # What a copy that was cut off has left may be a file that is not finished.
    begins = all(entry.kind == "folder" or unfinished(entry.path) for entry in here.entries())
    if not begins:
        # A study may have been given more trials meanwhile, and its first session may have ended; it keeps its mark.
        first = _first_session(here)
        if first is None or first != _first_session(new):
            raise ClusterError(
                f"{place} holds another study of the same name: nothing was downloaded. Name another folder with --to "
                "and submit again: for a study that has ended, only its results are downloaded."
            )
        refuse_links(here)
    paths = {entry.path for entry in contents(new).own}
    # The first session's file says whose copy this is, even if it is cut off here. A study that has ended has all of
    # its rows, and one with a study.json all of its files.
    origin = layout.session(1)
    order = {path: (path != origin if begins else path.startswith("sessions/"), path == layout.STUDY) for path in paths}
    for path in sorted(paths, key=lambda path: (order[path], path)):
        with Path(downloaded, path).open("rb") as file:
            here.write(path, iter(partial(file.read, _PIECE), b""))
    # Last, so that a concurrent reader misses no row: the downloaded parts hold these rows.
    for path in (path for table in TABLES for path in here.files(table)):
        if layout.names(path) and path not in paths:
            here.delete(path)
    return place


def _first_session(store: Store) -> tuple[object, object] | None:
    """What tells a study's first session from all others; None if it has none."""
    path = layout.session(1)
    record = store.read_json(path) if store.exists(path) else None
    return (record.get("mark"), record.get("started")) if isinstance(record, dict) else None
