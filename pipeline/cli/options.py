"""Options and arguments that commands share, and what the shell completes."""

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from pipeline.errors import TunepipeError
from pipeline.study.studies import DEFAULT_STORAGE, STORAGE_VARIABLE, default_storage, study_names

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store


def job_names(incomplete: str) -> list[str]:
    """The jobs whose names start with the typed text, and Python files."""
    import tune_jobs

    try:
        known = [name for name in tune_jobs.names() if name.startswith(incomplete)]
    except TunepipeError:
        known = []
    return known + _paths(incomplete, "*.py")


def studies_and_paths(ctx: typer.Context, incomplete: str) -> list[str]:
    """The studies in the storage whose names start with the typed text, and folders."""
    from pipeline.storage import Store

    try:
        known = study_names(Store(ctx.params.get("storage") or default_storage()))
    except (TunepipeError, OSError):
        known = []
    taken = ctx.params.get("studies") or ()
    return [name for name in known if name.startswith(incomplete) and name not in taken] + _paths(incomplete, None)


def _names_of(module: str, table: str, *more: str) -> Callable[[str], list[str]]:
    """A completion of the names in a table of a module, which is imported when it is needed."""

    def names(incomplete: str) -> list[str]:
        return [name for name in (*more, *getattr(import_module(module), table)) if name.startswith(incomplete)]

    return names


scheduler_names = _names_of("pipeline.schedulers", "SCHEDULERS")
searcher_names = _names_of("pipeline.searchers", "SEARCHERS")
format_names = _names_of("pipeline.results.views.table_formats", "FORMATS", "table")


def _paths(incomplete: str, files: str | None) -> list[str]:
    """Folders with a trailing slash, and matching files, once the text has a slash or starts with a dot."""
    head, slash, begun = incomplete.rpartition("/")
    if files is None and not slash and not incomplete.startswith("."):
        return []
    try:
        inside = sorted(Path(head + slash or ".").expanduser().iterdir())
        return [
            f"{head}{slash}{path.name}{'/' if path.is_dir() else ''}"
            for path in inside
            if path.name.startswith(begun)
            and (begun or not path.name.startswith("."))
            and (path.is_dir() or (files is not None and path.match(files)))
        ]
    except (OSError, ValueError, RuntimeError):
        return []


def option(text: str, metavar: str = "", *flags: str, **settings: Any) -> Any:
    """An option whose help names its default."""
    return typer.Option(*flags, help=text, metavar=metavar or None, show_default=False, **settings)


def switch(flag: str, text: str, *flags: str) -> Any:
    """An option without a value."""
    return typer.Option(flag, *flags, help=text)


STORAGE = DEFAULT_STORAGE
"""The default storage."""

Storage = Annotated[
    str,
    typer.Option(
        help="Storage of studies: a folder or a URI (s3://…, gs://…, abfs://…).",
        metavar="URI",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
    ),
]
Json = Annotated[bool, switch("--json", "Print one JSON object; everything else goes to stderr.")]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="Name of a job (`tunepipe list`), a Python file that defines JOB, or FILE.py:NAME for another job in it.",
        show_default=False,
        autocompletion=job_names,
    ),
]
Address = Annotated[
    str | None,
    option(
        "Ray cluster to join, or `auto` for a running one on this machine. Default: that of RAY_ADDRESS, or one "
        "that tunepipe starts here.",
        "HOST:6379",
    ),
]
"""An address of Ray itself, not of its dashboard (`cluster_options.Dashboard`)."""

Resume = Annotated[bool, switch("--resume", "Resume the study if it exists; its budget and resources are kept.")]
AcceptChanges = Annotated[
    bool, switch("--accept-changes", "Resume even if the job's code, data or domains have changed.")
]
TakeOver = Annotated[
    bool,
    switch(
        "--take-over", "Resume even if the driver of the last session may still run, which then stops writing and ends."
    ),
]

Logs = Annotated[
    list[str] | None,
    option(
        "Log each epoch to MLflow or TensorBoard while the study runs. May be repeated.",
        "mlflow=URI|tensorboard=FOLDER",
        "--log",
    ),
]


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


def labelled(stores: "Sequence[tuple[str, Store]]") -> "Mapping[str, Results]":
    """The results of studies by label; a study that is named twice counts once."""
    from pipeline.results.tables.load import labels, load_results, postpone_pandas

    postpone_pandas()
    places = {store.uri: study for study, store in reversed(stores)}
    return labels([(study, load_results(uri)) for uri, study in reversed(places.items())])


def results_of(studies: "Sequence[str]", storage: str) -> "Mapping[str, Results]":
    """The results of studies on the command line, by label."""
    return labelled([(study, study_store(study, storage)) for study in studies])


def trial_id(text: str) -> str:
    """The id of a trial."""
    from pipeline.study import layout

    return layout.trial_id(int(text)) if text.isascii() and text.isdigit() and len(text) < _DIGITS else text
