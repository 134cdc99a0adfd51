"""Options and arguments that commands share, and the studies and trials that they name."""

import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

import typer

from pipeline.study.files import DEFAULT_STORAGE, STORAGE_VARIABLE

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store


def option(text: str, metavar: str = "", *flags: str, **settings: Any) -> Any:
    """An option whose help names its default."""
    return typer.Option(*flags, help=text, metavar=metavar or None, show_default=False, **settings)


def switch(flag: str, text: str, *flags: str) -> Any:
    """An option without a value."""
    return typer.Option(flag, *flags, help=text)


def grouped(
    parameter: str, declared: Mapping[str, Any], make: Callable[[dict[str, Any]], Any]
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Replace one parameter of a command by options: the command gets what `make` makes of those that were given.

    `declared` has the annotation of each option.
    """

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for each in signature.parameters.values():
            own = each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            options = [own.replace(name=name, default=None, annotation=kind) for name, kind in declared.items()]
            parameters += options if each.name == parameter else [own]

        @functools.wraps(command)
        def with_options(**values: Any) -> None:
            given = {name: value for name in declared if (value := values.pop(name)) is not None}
            command(**{parameter: make(given)}, **values)

        with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in parameters}
        return with_options

    return decorated


STORAGE = DEFAULT_STORAGE
"""The default storage."""

Storage = Annotated[
    str,
    typer.Option(
        help="Folder or URI (s3://…, gs://…, abfs://…) of studies.",
        metavar="URI",
        envvar=STORAGE_VARIABLE,
        show_envvar=True,
    ),
]
Json = Annotated[bool, switch("--json", "Print one JSON object; everything else goes to stderr.")]
AcceptChanges = Annotated[bool, switch("--accept-changes", "Resume despite changed code, data or domains.")]

Logs = Annotated[
    list[str] | None,
    option("Log epochs: mlflow=URI, tensorboard=FOLDER, or both.", "LOG", "--log"),
]


def argument(text: str, metavar: str = "STUDY") -> Any:
    """An argument without a default."""
    return typer.Argument(help=text, metavar=metavar, show_default=False)


JobName = Annotated[
    str, argument("Name of a job (`tunepipe list`), Python file that defines JOB, or FILE.py:NAME.", "JOB")
]
Study = Annotated[str, argument("Name of the study in --storage, or the path or URI of its folder.")]


def located(study: str, storage: str) -> tuple[str, str]:
    """The storage and name of a study on the command line."""
    from pipeline.storage import Store, layout

    if "://" in study:
        head, mark, query = study.partition("?")
        parent, _, name = head.rstrip("/").rpartition("/")
        return parent + mark + query, unquote(name)
    is_name = "/" not in study and study not in (".", "..")
    if is_name and (Store(storage).folder(study).exists(layout.STUDY) or not os.path.isfile(Path(study, layout.STUDY))):  # noqa: PTH113
        # Whole, since a job file may change the current directory.
        return Store(storage).uri, study
    path = Path(study)
    if path.name in ("", ".."):
        path = Path(Store(study).uri)
    # A study's folder that is a link keeps the link's name.
    return Store(path.parent).uri, path.name


def study_store(study: str, storage: str) -> "Store":
    """The folder of an existing study."""
    from pipeline.storage import Store, layout
    from pipeline.study.files import no_study

    where, name = located(study, storage)
    store = Store(where).folder(name)
    if not store.exists(layout.STUDY):
        raise no_study(store)
    return store


def results_of(studies: "Sequence[str]", storage: str) -> "Mapping[str, Results]":
    """The results of studies on the command line, by label; a study that is named twice counts once."""
    from pipeline.results.tables.load import labels, load_results, postpone_pandas

    postpone_pandas()
    places = {study_store(study, storage).uri: study for study in studies}
    return labels([(study, load_results(uri)) for uri, study in places.items()])


def trial_id(text: str) -> str:
    """The id of a trial; what is no number, or too long for one, is a name."""
    from pipeline.storage import layout

    return layout.trial_id(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else text
