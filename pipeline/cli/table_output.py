"""Output of tables and files: their options, the terminal, standard output."""

import shutil
import sys
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

from pipeline.cli.console import SanitizingFile, command_console, print_path
from pipeline.cli.options import format_names, option
from pipeline.errors import StorageError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa

MAX_ROWS = 1000
"""The maximum number of rows to print as a table without --limit, because its layout needs all rows in memory."""


def writable(output: Path | None) -> Path | None:
    """The callback of an option that names a file to write: it is refused before any work is done for it."""
    from pipeline.study.contents import check_output_file

    if output is not None:
        check_output_file(output)
        if not output.parent.is_dir():
            raise StorageError(f"Cannot write {output}: there is no folder {output.parent}. Create it first.")
    return output


def file_option(text: str) -> Any:
    """An option that names a file to write."""
    return option(text, "FILE", callback=writable)


Format = Annotated[
    str | None,
    option(
        "table, csv, json, or parquet with --output. Default: from the suffix of --output.",
        "NAME",
        "--format",
        autocompletion=format_names,
    ),
]
Output = Annotated[Path | None, file_option("File to write instead of printing.")]


def form_of(option: str, file: Path | None, forms: Sequence[str]) -> str:
    """The form of a page or a picture, by the suffix of its file."""
    form = "" if file is None else file.suffix.lower().removeprefix(".")
    if file is not None and form not in forms:
        raise UsageError(f"{option} must end in one of {', '.join(f'.{each}' for each in forms)}; found {file}.")
    return form


def format_of(named: str | None, output: Path | None) -> str:
    """The format of a table."""
    if named is None and output is None:
        return "table"
    from pipeline.results.views.table_formats import FORMATS

    suffix = "" if output is None else output.suffix.lower()
    shape = named or suffix.removeprefix(".")
    allowed = ["table", *(name for name in FORMATS if name != "parquet")] if output is None else list(FORMATS)
    if shape not in allowed:
        where = "printed" if output is None else f"written to {output}"
        raise UsageError(
            f"A table can be {where} as {', '.join(allowed)}; found {shape or 'no suffix'!r:.100}. --format names "
            "one of them; parquet needs --output."
        )
    return shape


def output_table(table: "pa.Table", shape: str, output: Path | None) -> None:
    """Print a table, or write it into a file."""
    from pipeline.results.views.table_formats import text_table, write_table

    if shape == "table":
        console = command_console()
        console.print(text_table(table))
        if not table.num_rows:
            # A narrow terminal shows records instead of columns, and here there are none.
            console.print("No rows.", style="dim")
    elif output is not None:
        with _open_output(output) as file:
            write_table(table, shape, file)
        print_path(output)
    elif sys.stdout is not None:
        write_table(table, shape, SanitizingFile(sys.stdout.buffer))


def save(output: Path, content: bytes | memoryview | str, *, err: bool = False) -> None:
    """Write a file and print its path."""
    with _open_output(output) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    print_path(output, err=err)


@contextmanager
def _open_output(output: Path) -> Iterator[BinaryIO]:
    """An open file: an existing one is replaced when the new one is whole, and is as it was if writing fails."""
    writable(output)
    # Neither a device, a pipe nor /dev/stdout is replaced. File systems allow names of 255 bytes.
    in_place = output.exists() and not (output.is_file() and not output.is_symlink())
    place = output if in_place else output.with_name(f".{output.name[:60]}-{uuid.uuid4().hex[:8]}")
    try:
        with place.open("wb") as file:
            yield file
        if not in_place:
            if output.exists():
                shutil.copymode(output, place)
            place.replace(output)
    except BaseException as error:
        if not in_place:
            place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise StorageError(f"Cannot write {output}: {error.strerror or error}. Name another file.") from None
        raise
