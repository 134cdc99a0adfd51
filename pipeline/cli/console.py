"""How commands print: text from studies, arguments and variables is sanitized before it reaches a terminal."""

import codecs
import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, NoReturn

import typer
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from pipeline.text import sanitize, sanitize_output

_UNBOUNDED = 100_000
"""The width of a pipe or file: nothing is wrapped or left out."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        # Rich calls this from its except clause; its own answer is exit code 1.
        raise


class _Sanitized:
    """A renderable whose text is sanitized."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._inner, options):
            yield segment if segment.control else Segment(sanitize(segment.text), segment.style)


class _SanitizingHook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Sanitized(each) for each in renderables]


class _Unpadded:
    """A text file without the spaces at the ends of lines, with which rich fills its tables."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> int:
        return self._file.write(re.sub(" +(?=\n)", "", text))

    def flush(self) -> None:
        self._file.flush()


def command_console(*, err: bool = False) -> Console:
    """A console on standard output."""
    # The current stream: while Ray runs, stdout is redirected into a log.
    stream = sys.stderr if err else sys.stdout
    console = _Console(file=stream, highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
        if stream is not None:
            console.file = _Unpadded(stream)  # type: ignore[assignment]
    console.push_render_hook(_SanitizingHook())
    return console


class SanitizingFile:
    """A binary file that sanitizes the UTF-8 text that is written into it."""

    closed = False

    def __init__(self, sink: BinaryIO) -> None:
        self._sink = sink
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")

    def write(self, content: bytes | memoryview) -> int:
        """Write text."""
        self._sink.write(sanitize(self._decoder.decode(bytes(content))).encode())
        return len(content)

    def flush(self) -> None:
        """Flush the underlying file."""
        self._sink.flush()


def print_text(text: str, *, err: bool = False) -> None:
    """Print sanitized text."""
    typer.echo(sanitize(text), err=err)


def note(message: str) -> None:
    """Print a message to standard error, apart from the command's own output."""
    print_text(message, err=True)


def print_object(value: Any) -> None:
    """Print one JSON object on a line, for `--json`."""
    typer.echo(json.dumps(value, allow_nan=False))


def print_path(path: str | Path, *, err: bool = False) -> None:
    """Print a path: unchanged for another program, sanitized on a terminal."""
    stream = sys.stderr if err else sys.stdout
    shown = stream is not None and stream.isatty()
    typer.echo(sanitize(str(path)) if shown else os.fsencode(path), err=err)


def print_output(output: bytes | str, *, raw: bool = False, err: bool = False) -> None:
    """Print the output of a program: sanitized except for colours and progress bars, or its bytes unchanged."""
    if raw:
        content: Any = output if isinstance(output, bytes) else output.encode(errors="surrogatepass")
    else:
        content = sanitize_output(output if isinstance(output, str) else output.decode(errors="replace"))
    typer.echo(content, nl=False, err=err)
