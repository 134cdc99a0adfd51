"""The fenced blocks of a Markdown page, and the commands in them."""

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMPOUND = {"for": "done", "if": "fi"}
_PROMPT = "$ "


@dataclass(frozen=True)
class Command:
    """One command of a page."""

    text: str
    output: str | None = None


@dataclass(frozen=True)
class SourceFile:
    """A Python block whose first line is a comment with a file's name: later commands use that file."""

    name: str
    text: str


Step: TypeAlias = Command | SourceFile


def steps(page: str) -> Iterator[Step]:
    """What a reader does, in the order of a page."""
    for language, content in _FENCE.findall(page):
        if language == "console":
            yield from _console(content)
        elif language == "sh":
            yield from (Command(text) for text in _shell(content))
        elif language == "python" and (found := re.match(r"# (\w+\.py)\n", content)):
            yield SourceFile(found[1], content)


def with_outputs(page: str, run: Callable[[Step], str]) -> str:
    """The page with new outputs in its `console` blocks."""

    def block(found: re.Match[str]) -> str:
        outputs = [(step, run(step)) for step in steps(found[0])]
        if found[1] != "console":
            return found[0]
        shown = "".join(f"{_PROMPT}{step.text}\n{output}" for step, output in outputs if isinstance(step, Command))
        return f"```console\n{shown}```"

    return _FENCE.sub(block, page)


def inline_commands(page: str) -> list[str]:
    """What stands in backticks within the text and begins with `tunepipe `."""
    text = _FENCE.sub("", page)
    return [" ".join(found.split()) for found in re.findall(r"`(tunepipe [^`]+)`", text)]


def _console(content: str) -> Iterator[Command]:
    """Commands with their outputs: a command continues while a quote is open or its line ends in a backslash."""
    text, output = "", ""
    for line in content.splitlines(keepends=True):
        if text and _open(text):
            text += line
        elif line.startswith(_PROMPT):
            if text:
                yield Command(text.rstrip("\n"), output)
            text, output = line.removeprefix(_PROMPT), ""
        else:
            output += line
    yield Command(text.rstrip("\n"), output)


def _shell(content: str) -> Iterator[str]:
    """Commands, each of a line or more."""
    text = ""
    for line in content.splitlines(keepends=True):
        text += line
        if not _open(text):
            if text.strip() and not text.startswith("#"):
                yield text.strip()
            text = ""


def _open(text: str) -> bool:
    """Whether a shell would wait for more lines."""
    if text.endswith("\\\n"):
        return True
    word = text.split(maxsplit=1)[0] if text.split() else ""
    if word in _COMPOUND:
        return re.search(rf"(^|; ){_COMPOUND[word]}\b", text, re.MULTILINE) is None
    # What stands between `<<END` and a line `END` is a file's text, no shell's.
    if (end := re.search(r"<<(\w+)$", text.partition("\n")[0])) is not None:
        return f"\n{end[1]}\n" not in text
    try:
        shlex.split(text, comments=True)
    except ValueError:
        return True
    return False
