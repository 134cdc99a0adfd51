"""How a command gives a table out: the options, the terminal, standard output, a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pipeline.errors import StorageError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Format", "Output", "format_of", "give_out", "save", "stdout_console"]

Format = Annotated[
    str | None,
    typer.Option(
        "--format", help="table, csv, json, markdown or parquet; else as --output's suffix says.", show_default=False
    ),
]
Output = Annotated[Path | None, typer.Option(help="A file to write instead of printing.", show_default=False)]


def format_of(named: str | None, output: Path | None) -> str:
    """Which format is meant.

    Args:
        named: As --format says; None if it says nothing.
        output: The file to be written, if any.

    Raises:
        UsageError: There is no such format, or it cannot be told.
    """
    from pipeline.results.formats import FORMATS, SUFFIXES

    known = ["table", *FORMATS]
    if named is not None and named not in known:
        raise UsageError(f"--format must be one of {', '.join(known)}; found {named!r:.100}.")
    if named is None and output is not None:
        if output.suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"What to write into {output} cannot be told from its name. Give --format, one of "
                f"{', '.join(FORMATS)}, or a name that ends in {', '.join(SUFFIXES)}."
            )
        return SUFFIXES[output.suffix.lower()]
    if named in (None, "table") and output is not None:
        raise UsageError(f"--format table is for the terminal; into a file go {', '.join(FORMATS)}.")
    if named == "parquet" and output is None:
        raise UsageError("--format parquet is no text. Name a file with --output.")
    return named or "table"


def give_out(table: "pa.Table", shape: str, output: Path | None, *, of: int | None = None) -> None:
    """Print a table, or write it into a file.

    Args:
        table: The table.
        shape: As `format_of` says.
        output: The file; None prints.
        of: How many rows there are, where the table is the first of them; a terminal says so.
    """
    from pipeline.results.formats import FORMATS, text_table

    if shape == "table":
        told = stdout_console()
        told.print(text_table(table))
        if of is not None and of > table.num_rows:
            told.print(f"… and {of - table.num_rows} more; --top shows them.", style="dim")
        return
    content = FORMATS[shape](table)
    if output is None:
        typer.echo(bytes(content), nl=False)
    else:
        save(output, content)


def save(output: Path, content: bytes | memoryview | str, *, err: bool = False) -> None:
    """Write a file that the user named, and say where it is: on stderr with `err`.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            output.write_text(content, encoding="utf-8")
        else:
            output.write_bytes(content)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"Cannot write {output}: {reason}. Choose another file with --output.") from None
    typer.echo(bytes(output), err=err)


def stdout_console() -> Console:
    """Standard output; in a pipe wide enough for whole rows."""
    told = Console(highlight=False)
    if not told.is_terminal:
        told.width = 200
    return told
