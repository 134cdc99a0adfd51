"""`tunepipe sql`: any question to the tables of one study or several."""

from typing import Annotated

import typer

from pipeline.cli.location import study_store
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.tables import Format, Output, format_of, give_out

__all__ = ["sql"]


def sql(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY",
            help="The studies: names within --storage, or paths or URIs of their folders.",
            show_default=False,
        ),
    ],
    query: Annotated[
        str,
        typer.Argument(
            metavar="SELECT",
            help="One SELECT over the tables trials, epochs and decisions, as DuckDB reads it.",
            show_default=False,
        ),
    ],
    storage: Storage = STORAGE,
    format: Format = None,
    output: Output = None,
) -> None:
    """Ask the tables of studies in SQL; the column `study` tells several apart."""
    from pipeline.results.load import load_results
    from pipeline.results.query import labels
    from pipeline.results.query import query as asked

    shape = format_of(format, output)
    found = [(study, load_results(study_store(study, storage).uri)) for study in studies]
    give_out(asked(labels(found), query), shape, output)
