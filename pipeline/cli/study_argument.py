"""How a command line names a study: by its name in the storage, or by the path of its folder."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from pipeline.cli.completion import studies_and_paths

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store


_DIGITS = 10
"""A number of a trial has fewer digits; anything longer is a name."""


def study_argument(text: str, metavar: str = "STUDY") -> Any:
    """An argument that names one or more studies, whose names the shell completes."""
    return typer.Argument(help=text, metavar=metavar, show_default=False, autocompletion=studies_and_paths)


Study = Annotated[str, study_argument("Name of the study in --storage, or the path or URI of its folder.")]


def located(study: str, storage: str) -> tuple[str, str]:
    """The storage and name of a study on the command line."""
    from pipeline.storage import Store
    from pipeline.study import layout

    if "://" in study:
        head, mark, query = study.partition("?")
        parent, _, name = head.rstrip("/").rpartition("/")
        return parent + mark + query, unquote(name)
    if "/" not in study:
        in_storage = Store(storage).folder(study) if study not in (".", "..") else None
        if in_storage is not None and in_storage.exists(layout.STUDY):
            return storage, study
        if not Path(study, layout.STUDY).is_file():
            return storage, study
    above, _, name = study.rstrip("/").rpartition("/")
    if name in ("", ".", "..") or (study.startswith("~") and "/" in study and not above):
        parent, name = os.path.split(Store(study).uri)
        return parent, name
    # Only `..` is resolved: a study's folder that is a link keeps the link's name.
    return Store(above or ("/" if study.startswith("/") else ".")).uri, name


def study_store(study: str, storage: str) -> "Store":
    """The folder of an existing study."""
    from pipeline.storage import Store
    from pipeline.study import layout
    from pipeline.study.studies import no_study

    where, name = located(study, storage)
    store = Store(where).folder(name)
    if not store.exists(layout.STUDY):
        raise no_study(store)
    return store


def labelled(
    stores: "Sequence[tuple[str, Store]]", read: "Callable[[str], Results] | None" = None
) -> "Mapping[str, Results]":
    """The results of studies by label; a study that is named twice counts once."""
    from pipeline.results.tables.load import labels, load_results, postpone_pandas

    postpone_pandas()
    places = {store.uri: study for study, store in reversed(stores)}
    return labels([(study, (read or load_results)(uri)) for uri, study in reversed(places.items())])


def results_of(studies: "Sequence[str]", storage: str) -> "Mapping[str, Results]":
    """The results of studies on the command line, by label."""
    return labelled([(study, study_store(study, storage)) for study in studies])


def trial_id(text: str) -> str:
    """The id of a trial."""
    from pipeline.study import layout

    return layout.trial_id(int(text)) if text.isascii() and text.isdigit() and len(text) < _DIGITS else text
