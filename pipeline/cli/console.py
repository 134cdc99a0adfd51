"""How commands print: text from studies, arguments and variables is sanitized before it reaches a terminal."""

import codecs
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, ConsoleRenderable, RenderHook
from rich.segment import Segment

from pipeline.text import sanitize, sanitize_output

_UNBOUNDED = 100_000
"""The width of a pipe or file: nothing is wrapped or left out."""

_WORD = re.compile(r" *(?:[^ `]*`[^`]+`[^ ]*|[^ ]+)| +$")


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        # Rich calls this from its except clause; its own answer is exit code 1.
        raise


class _Sanitized:
    """A renderable whose text is sanitized."""

    def __init__(self, inner: ConsoleRenderable) -> None:
        self._inner = inner

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        segments = console.render(self._inner, options)
        for segment in segments if console.is_terminal else _unpadded(segments):
            yield segment if segment.control else Segment(sanitize(segment.text), segment.style)


def _unpadded(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Segments without the spaces at the ends of lines, with which rich fills its tables."""
    held: list[Segment] = []
    for segment in segments:
        if segment.control or not segment.text.strip(" "):
            held.append(segment)
            continue
        if segment.text.startswith("\n"):
            held = [each for each in held if each.control]
        yield from held
        held = []
        lines = segment.text.split("\n")
        text = "\n".join([*(line.rstrip(" ") for line in lines[:-1]), lines[-1]])
        kept = text.rstrip(" ")
        yield Segment(kept, segment.style)
        if kept != text:
            held = [Segment(text[len(kept) :], segment.style)]
    yield from held


class _SanitizingHook(RenderHook):
    def process_renderables(self, renderables: list[ConsoleRenderable]) -> list[ConsoleRenderable]:
        return [_Sanitized(each) for each in renderables]


def command_console(*, err: bool = False) -> Console:
    """A console on standard output."""
    # The current stream: while Ray runs, stdout is redirected into a log.
    console = _Console(file=sys.stderr if err else sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = _UNBOUNDED
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
    """Print sanitized text; a terminal as standard error gets lines that break between words."""
    shown = sanitize(text)
    if err and (console := command_console(err=True)).is_terminal:
        shown = wrapped(shown, console.width)
    typer.echo(shown, err=err)


def note(message: str) -> None:
    """Print a message to standard error, apart from the command's own output."""
    print_text(message, err=True)


def wrapped(text: str, width: int, *, used: int = 0) -> str:
    """Text whose lines break between words, and within a command in backticks only if it is longer than a line."""
    lines = []
    for number, line in enumerate(text.split("\n")):
        left = width - (0 if number else used)
        if line.startswith(" "):
            lines.append(line)
            continue
        shown = ""
        for word in _words(line, width):
            if shown and cell_len(shown + word) > left:
                lines.append(shown)
                shown, left = word.lstrip(" "), width
            else:
                shown += word
        lines.append(shown)
    return "\n".join(lines)


def _words(line: str, width: int) -> Iterator[str]:
    """Words with the spaces before them; a command in backticks is one where it fits on a line."""
    for word in _WORD.findall(line):
        yield from [word] if cell_len(word.strip(" ")) <= width else re.findall(r" *[^ ]+| +$", word)


def print_object(value: Any) -> None:
    """Print one JSON object on a line, for `--json`."""
    typer.echo(json.dumps(value, allow_nan=False))


def print_path(path: str | Path, *, err: bool = False) -> None:
    """Print a path: unchanged for another program, sanitized on a terminal."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None and stream.isatty():
        typer.echo(sanitize(str(path)), err=err)
    else:
        typer.echo(os.fsencode(path), err=err)


def print_output(text: str, *, err: bool = False) -> None:
    """Print the output of a program, sanitized except for colours and progress bars."""
    typer.echo(sanitize_output(text), nl=False, err=err)


def print_bytes(content: bytes, *, err: bool = False) -> None:
    """Print bytes unchanged."""
    typer.echo(content, nl=False, err=err)
