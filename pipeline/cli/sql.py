"""`tunepipe sql`: SQL over the tables of one or more studies."""

import re
from typing import Annotated

import typer

from pipeline.cli.options import STORAGE, Storage, results_of, study_argument
from pipeline.cli.table_output import MAX_ROWS, Format, Output, format_of, output_table
from pipeline.errors import UsageError

_EXAMPLE = "select trial_id, objective from trials order by objective"


def sql(
    studies: Annotated[
        list[str] | None,
        study_argument("Studies: names in --storage, or paths or URIs of their folders.", "STUDY..."),
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
        int | None,
        typer.Option(
            min=1,
            help=f"Maximum number of rows. Default: {MAX_ROWS} as a table, all in other formats.",
            show_default=False,
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="End the query after this many seconds. Default: no limit.", show_default=False),
    ] = None,
    format: Format = None,
    output: Output = None,
) -> None:
    """Query the tables of studies in SQL; the column `study` has the study's name."""
    from pipeline.results.tables.sql import stream_answer

    if not studies:
        raise _one_word(query)
    shape = format_of(format, output)
    with stream_answer(results_of(studies, storage), query, seconds) as answer:
        output_table(answer, shape, output, limit=limit)


def _one_word(word: str) -> UsageError:
    """The error for a missing study or a missing query."""
    if re.match(r"\s*(select|with|from|values)\b", word, re.IGNORECASE):
        return UsageError(
            f'The study is missing: name it before the SQL, for example `tunepipe sql STUDY "{_EXAMPLE}"`. '
            "`tunepipe studies` lists the studies."
        )
    return UsageError(f'The SQL is missing: write it after the study, for example `tunepipe sql {word} "{_EXAMPLE}"`.')
