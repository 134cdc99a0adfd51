"""What several commands share: options, and how a word on the command line becomes a value."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.errors import Fault, InvalidJob

if TYPE_CHECKING:
    from pipeline.storage import Store

__all__ = ["STORAGE", "Json", "Storage", "Study", "assignments", "called", "located", "study_store", "trial_id"]

STORAGE = "studies"
"""Where studies lie unless told otherwise."""

Storage = Annotated[str, typer.Option(help="Where studies lie: a folder, or a URI (s3://…, gs://…, abfs://…).")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object; everything else goes to stderr.")]
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

    return layout.trial_id(int(text)) if text.isascii() and text.isdigit() else text


def assignments(pairs: list[str]) -> dict[str, Any]:
    """`--set` arguments as fields of a job.

    Args:
        pairs: `field=value`; the value is JSON where it reads as JSON, else text.

    Raises:
        InvalidJob: An argument has no `=`.
    """
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault("--set", pair, "must be field=value, as in space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes
