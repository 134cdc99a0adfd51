"""How commands print: text from studies, arguments and variables is sanitized before it reaches a terminal."""

import json
import os
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from pipeline.text import sanitize, sanitize_output

if TYPE_CHECKING:
    from pipeline.results.views.table import Table

_UNBOUNDED = 100_000
"""The width of a pipe or file: nothing is wrapped or left out."""


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        with self.capture() as captured:
            super().print(*objects, **options)
        # Rich fills the last column of a table with spaces.
        self.file.write(re.sub(" +(?=\n)", "", captured.get()))
        self.file.flush()

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(sanitize(segment.text), segment.style)


def command_console(*, err: bool = False) -> Console:
    """A console on standard output or standard error."""
    # The current stream: while Ray runs, stdout is redirected into a log.
    console = _Console(file=sys.stderr if err else sys.stdout, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
    return console


def print_text(text: str, *, err: bool = False) -> None:
    """Print sanitized text."""
    typer.echo(sanitize(text), err=err)


def moment(when: datetime | None) -> str:
    """A time of this machine's zone, to the minute; a dash for none."""
    return f"{when.astimezone():%Y-%m-%d %H:%M}" if when else "–"


def print_object(value: Any) -> None:
    """Print one JSON object on a line, for `--json`."""
    from pipeline.results.views.table import plain

    typer.echo(json.dumps(plain(value), allow_nan=False))


def print_tables(tables: "Iterable[Table]", **facts: Any) -> None:
    """Print tables as JSON, with values beside them."""
    print_object({**facts, "tables": [table.as_object() for table in tables]})


def print_path(path: str | Path) -> None:
    """Print a path: unchanged for another program, sanitized on a terminal."""
    shown = sys.stdout is not None and sys.stdout.isatty()
    typer.echo(sanitize(str(path)) if shown else os.fsencode(path))


def print_output(output: bytes | str) -> None:
    """Print the output of a program: sanitized except for colours and progress bars."""
    text = output if isinstance(output, str) else output.decode(errors="replace")
    typer.echo(sanitize_output(text), nl=False)
