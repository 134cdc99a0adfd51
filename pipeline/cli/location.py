"""How a command line names a study: by its name within a storage, or by where its folder lies."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.options import STORAGE

if TYPE_CHECKING:
    from pipeline.storage import Store

__all__ = ["Study", "called", "located", "study_store", "trial_id"]

_DIGITS = 10
"""No study has so many trials; a longer number is no number of one."""

Study = Annotated[
    str,
    typer.Argument(
        help="The study's name within --storage, or the path or URI of its folder.",
        metavar="STUDY",
        show_default=False,
    ),
]


def located(study: str, storage: str) -> tuple[str, str]:
    """Where a study lies, as the command line names it.

    Args:
        study: A path or URI of the study's folder, told by its slash; else a name within `storage`, or, where no such
            study is there, a study's folder in the current one.
        storage: Where studies lie.

    Returns:
        The storage, and the study's name within it.
    """
    from pipeline.storage import Store
    from pipeline.study import layout

    if "://" in study:
        head, mark, query = study.partition("?")
        parent, _, name = head.rstrip("/").rpartition("/")
        return parent + mark + query, name
    if "/" not in study:
        in_storage = Store(storage).folder(study) if study not in (".", "..") else None
        if in_storage is not None and in_storage.exists(layout.STUDY):
            return storage, study
        if not Path(study, layout.STUDY).is_file():
            return storage, study
    parent, name = os.path.split(os.path.abspath(Path(study).expanduser()))  # noqa: PTH100 (takes `..` out)
    return parent, name


def study_store(study: str, storage: str) -> "Store":
    """The folder of a study that is there.

    Args:
        study: As `located` takes it.
        storage: Where studies lie.

    Raises:
        JobNotFound: There is no study; names those there are.
    """
    from pipeline.storage import Store
    from pipeline.study import layout
    from pipeline.study.studies import no_study

    where, name = located(study, storage)
    store = Store(where).folder(name)
    if not store.exists(layout.STUDY):
        raise no_study(store)
    return store


def called(location: str) -> str:
    """How a study is named on a command line, from where the command is called: the reverse of `located`."""
    from pipeline.storage import Store

    name = location.partition("?")[0].rpartition("/")[2]
    return name if location == Store(STORAGE).folder(name).uri else location


def trial_id(text: str) -> str:
    """A trial's id, or its number, as its id."""
    from pipeline.study import layout

    return layout.trial_id(int(text)) if text.isascii() and text.isdigit() and len(text) < _DIGITS else text
