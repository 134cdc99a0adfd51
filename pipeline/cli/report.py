"""`tunepipe report`: a study as one page with pictures."""

from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.location import Study, study_store
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.tables import save

__all__ = ["report"]


def report(
    study: Study,
    storage: Storage = STORAGE,
    output: Annotated[
        Path | None, typer.Option(help="A file to write instead of the study's own.", show_default=False)
    ] = None,
) -> None:
    """Write a study as one HTML page: summary, leaderboard, pictures. It needs nothing else to be read."""
    from pipeline.results.load import load_results
    from pipeline.results.report import report_page, write_report

    store = study_store(study, storage)
    if output is None:
        typer.echo(write_report(store))
        return
    page = report_page(load_results(store.uri))
    save(output, page)
