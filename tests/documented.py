"""What a documented command prints, without numbers, and whether its command line can be read."""

import re
import shlex
from typing import Any

import typer

from pipeline.cli.commands import app

_MASKS = [
    (r"\b[0-9a-f]{40,64}\b", "DIGEST"),
    (r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(\+00:00|Z)?", "TIME"),
    (r"(?<![\w.])(\d[\d,.]* (h|min|s|ms)\b ?)+", "DURATION "),
    (r"(?<![\w.])\d[\d,.]* [kMGT]?B\b", "SIZE"),
    (r"(?<!\w)[−+-]?\d+(,\d{3})*(\.\d+)?(e[−+-]?\d+)?", "0"),
    (r"\b0 (\w+?)(es|s)?\b", r"0 \1"),
]
_MIN_COLUMNS = 3
_PROGRESS = re.compile(r"\d+:\d\d(:\d\d)?  \|")


def shape(output: str) -> list[str]:
    """Paragraphs with numbers masked, and tables by their columns."""
    found: list[str] = []
    text: list[str] = []
    rows: list[str] = []

    def close() -> None:
        if rows:
            has_rows = "with rows" if len(rows) > 1 else "without rows"
            found.append(f"columns: {' | '.join(_masked(cell) for cell in _cells(rows[0]))} ({has_rows})")
            rows.clear()
        if text:
            found.append(_masked(" ".join(text)))
            text.clear()

    for line in [*output.splitlines(), ""]:
        words = line.strip()
        if _PROGRESS.match(words):
            # How many lines tell of progress depends on the time that a study takes.
            continue
        tabular = len(_cells(words)) >= _MIN_COLUMNS
        if not words or tabular != bool(rows):
            close()
        if tabular:
            rows.append(words)
        elif words:
            text.append(words)
    return found


def _cells(line: str) -> list[str]:
    return re.split(r"  +", line.strip())


def _masked(text: str) -> str:
    for pattern, mask in _MASKS:
        text = re.sub(pattern, mask, text)
    text = re.sub(r"\s+", " ", text)
    # What is counted comes with the most frequent first.
    text = re.sub(r"0 \w+(, 0 \w+)+", lambda found: ", ".join(sorted(set(found[0].split(", ")))), text)
    # A list of equal items becomes one of them: their count is a number, too.
    return re.sub(r"(?<!\w)(\w[^,.:;]*)(, \1)+(?!\w)", r"\1", text).strip()


def unreadable(text: str) -> str | None:
    """What is wrong with a command line of tunepipe; None if its command, options and values can be read."""
    words = shlex.split(text.partition(" | ")[0], comments=True)
    if words[-1] == "&":
        words.pop()
    name, *arguments = words[1:]
    if name.startswith("-"):
        known = {option for parameter in _group().params for option in parameter.opts}
        return None if name in known else f"there is no option {name!r}"
    if name not in _commands():
        return f"there is no command {name!r}"
    if "--help" in arguments:
        return None
    try:
        _commands()[name].make_context(name, arguments)
    except Exception as error:
        return str(error) or type(error).__name__
    return None


def _group() -> Any:
    return typer.main.get_command(app)


def _commands() -> dict[str, Any]:
    return dict(_group().commands)
