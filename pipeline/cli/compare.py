"""`tunepipe compare`: studies side by side."""

import json
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.location import study_store
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.tables import save, stdout_console
from pipeline.errors import UsageError

__all__ = ["compare"]

_PICTURES = ("png", "svg", "pdf")


def compare(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY", help="Two or more: names within --storage, or paths or URIs.", show_default=False
        ),
    ],
    storage: Storage = STORAGE,
    output: Annotated[
        Path | None,
        typer.Option(help="Also write a page (.html) or a picture (.png, .svg, .pdf).", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare studies of one objective: who was better, how sure that is, what they agree on."""
    from pipeline.results.comparison import compared, comparison_object
    from pipeline.results.load import load_results
    from pipeline.results.query import labels

    form = "" if output is None else output.suffix.lower().removeprefix(".")
    if output is not None and form not in ("html", *_PICTURES):
        raise UsageError(f"--output must end in .html, .png, .svg or .pdf; found {output}.")
    found = [(study, load_results(study_store(study, storage).uri)) for study in studies]
    comparison = compared(labels(found))
    if as_json:
        typer.echo(json.dumps(comparison_object(comparison), allow_nan=False))
    from pipeline.results.comparison_view import comparison_page, comparison_picture, comparison_view

    if not as_json:
        stdout_console().print(comparison_view(comparison))
    if output is not None:
        content = comparison_page(comparison) if form == "html" else comparison_picture(comparison, form)  # type: ignore[arg-type]
        save(output, content, err=as_json)
