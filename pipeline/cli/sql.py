"""`tunepipe sql`: SQL over the tables of one or more studies."""

import io
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.console import command_console
from pipeline.cli.options import STORAGE, Storage, file_option, option, results_of, save, study_argument
from pipeline.errors import UsageError
from pipeline.text import sanitize

_MAX_ROWS = 1000
"""The maximum number of rows to print as a table."""


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
    format: Annotated[
        str | None,
        option(
            "table, csv, json, or parquet with --output. Default: from the suffix of --output.",
            "NAME",
            "--format",
        ),
    ] = None,
    output: Annotated[Path | None, file_option("File to write instead of printing.")] = None,
) -> None:
    """Query the tables of studies in SQL. The column `study` has the study's name."""
    from pipeline.results.tables.sql import query as answer_of
    from pipeline.results.views.table_formats import text_table, write_table

    if not studies:
        raise UsageError(
            f"Name studies and then one SELECT; found only {query!r:.100}. For example: `tunepipe sql STUDY "
            '"select trial_id, objective from trials order by objective"`.'
        )
    shape, content = _format_of(format, output), io.BytesIO()
    # One more row than a terminal shows: whether there is more is known without it all.
    limit = _MAX_ROWS + 1 if shape == "table" else None
    table = answer_of(results_of(studies, storage), query, limit=limit)
    if shape != "table":
        write_table(table, shape, content)
        if output is not None:
            save(output, content.getvalue())
        elif sys.stdout is not None:
            sys.stdout.buffer.write(sanitize(content.getvalue().decode()).encode())
        return
    console = command_console()
    console.print(text_table(table.slice(0, _MAX_ROWS)))
    if not table.num_rows:
        # A narrow terminal shows records instead of columns, and here there are none.
        console.print("No rows.", style="dim")
    elif table.num_rows > _MAX_ROWS:
        console.print(f"… and more rows than these {_MAX_ROWS:,}; --format csv shows all.", style="dim")


def _format_of(named: str | None, output: Path | None) -> str:
    """The format of a table."""
    from pipeline.results.views.table_formats import FORMATS

    if output is None:
        allowed = ["table", *(name for name in FORMATS if name != "parquet")]
        shape = named or "table"
    else:
        allowed, shape = list(FORMATS), named or output.suffix.lower().removeprefix(".")
    if shape not in allowed:
        raise UsageError(
            f"--format must be one of {', '.join(allowed)}; found {shape or 'no suffix'!r:.100}. parquet needs "
            "--output, whose suffix names its format."
        )
    return shape
