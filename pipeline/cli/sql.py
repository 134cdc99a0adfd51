"""`tunepipe sql`: SQL over the tables of one or more studies."""

from typing import Annotated

import typer

from pipeline.cli.console import print_text
from pipeline.cli.options import STORAGE, Storage, option, results_of, study_argument
from pipeline.cli.table_output import MAX_ROWS, Format, Output, format_of, output_table
from pipeline.errors import UsageError


def sql(
    studies: Annotated[
        list[str] | None, study_argument("Studies: names in --storage, or paths or URIs of their folders.", "STUDY...")
    ] = None,
    *,
    query: Annotated[
        str,
        typer.Argument(
            metavar="SELECT",
            help="One SELECT in DuckDB's SQL over the tables trials, epochs and decisions.",
            show_default=False,
        ),
    ],
    storage: Storage = STORAGE,
    limit: Annotated[
        int | None, option(f"Maximum number of rows. Default: {MAX_ROWS} as a table, all in other formats.", "N", min=1)
    ] = None,
    seconds: Annotated[
        float | None, option("End the query after this many. Default: no limit.", "SECONDS", min=0.0)
    ] = None,
    format: Format = None,
    output: Output = None,
) -> None:
    """Query the tables of studies in SQL. The column `study` has the study's name."""
    from pipeline.results.tables import sql as tables

    if not studies:
        raise UsageError(
            f"Name studies and then one SELECT; found only {query!r:.100}. For example: `tunepipe sql STUDY "
            '"select trial_id, objective from trials order by objective"`.'
        )
    shape = format_of(format, output)
    # One more row than a terminal shows: whether there is more is known without it all.
    most = limit or MAX_ROWS if shape == "table" else None
    answer = tables.query(
        results_of(studies, storage), query, limit=limit if most is None else most + 1, seconds=seconds
    )
    output_table(answer.slice(0, most), shape, output)
    if most is not None and answer.num_rows > most:
        print_text(f"… and more rows than these {most:,}; --limit shows more, --format csv shows all.")
