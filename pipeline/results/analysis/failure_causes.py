"""Why trials failed: their errors grouped by cause, each with the place in the user's own code."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

from pipeline.code.frames import user_frame
from pipeline.results.tables.load import Results
from pipeline.study.job import named_functions
from pipeline.text import hide_numbers

_NOISE = re.compile(r"\x1b\[\d*m|\{\{function_node [^}]*\}\} ?| ?\[Op:\w+\]( name:.*)?$")
"""Colours, and where TensorFlow says which operation an error comes from, before and after its sentence."""

_ANNOUNCES = re.compile(r":$|Exception encountered when calling .*\)\.$")

_PLACES = ("File ", "Detected at", "Stack trace", "<stack traces", "[[{{", "During handling", "Arguments received")
"""Beginnings of lines that say where in TensorFlow's graph an error is, and not what it is."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Trials that failed for the same cause."""

    what: str
    where: str
    trials: Sequence[str]
    text: str


def causes(results: Results) -> list[Cause]:
    """The failures grouped by their cause, the most frequent first.

    Errors have the same cause if their first lines are equal except for numbers, and they come from the same line of
    the user's code.
    """
    failed = results.query("select trial_id, error from trials where state = 'failed'")
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for trial, error in zip(failed["trial_id"].to_pylist(), failed["error"].to_pylist(), strict=True):
        text = error if error and error.strip() else "no error was recorded"
        groups.setdefault((hide_numbers(first_line(text)), place(results, text)), []).append((trial, text))
    found = [
        Cause(first_line(group[0][1]), where, [trial for trial, _ in group], group[0][1])
        for (_, where), group in groups.items()
    ]
    return sorted(found, key=lambda cause: -len(cause.trials))


def place(results: Results, error: str) -> str:
    """The innermost place of an error in the user's code; modules of the job count as the user's."""
    modules = [name.partition(":")[0] for name in named_functions(results.job)]
    frame = user_frame(error, [f"{module.replace('.', '/')}.py" for module in modules])
    return "" if frame is None else frame.place


def first_line(text: str) -> str:
    """The message of an error in one line; empty for an empty text.

    It is the first line, with the next one that says something where it only announces it, as in Keras and TensorFlow;
    of a bare traceback it is the last line.
    """
    lines = [line for each in text.splitlines() if (line := _NOISE.sub("", each.strip()).strip())]
    if not lines or lines[0].startswith("Traceback"):
        return lines[-1] if lines else ""
    found = lines[0]
    for line in takewhile(lambda line: not line.startswith("Traceback"), lines[1:]):
        if not _ANNOUNCES.search(found):
            break
        if not line.startswith(_PLACES):
            # What TensorFlow lists after its sentence may be long.
            sentence, values, _ = line.partition(".  ")
            found += f" {sentence}{'.' if values else ''}"
    return found
