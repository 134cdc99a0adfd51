"""Why trials failed: their errors grouped by cause, each with the place in the user's own code."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import takewhile

import pyarrow.compute as pc

from pipeline.code import user_frame
from pipeline.results.tables.load import Results
from pipeline.study.job import named_functions
from pipeline.text import hide_numbers

_OF_KERAS = re.compile(r"Exception encountered when calling .*\.$")
_NOISE = ("File ", "Detected at", "Stack trace", "<stack traces", "[[{{", "During handling", "Arguments received")
"""Beginnings of lines that say where in TensorFlow's graph an error is, and not what it is."""
_BOLD = re.compile(r"\x1b\[\d*m")
_OPERATION = re.compile(r"\{\{function_node [^}]*\}\} ?| ?\[Op:\w+\]( name:.*)?$")
"""Where TensorFlow says which operation an error comes from, before and after its sentence."""


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
    trials = results.table("trials").select(["trial_id", "state", "error"])
    failed = trials.filter(pc.equal(trials["state"], "failed"))
    own = _job_files(results)
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for trial, error in zip(failed["trial_id"].to_pylist(), failed["error"].to_pylist(), strict=True):
        text = error if isinstance(error, str) and error.strip() else "no error was recorded"
        cause = hide_numbers(first_line(text)), _place(text, own)
        groups.setdefault(cause, []).append((trial, text))
    found = [
        Cause(first_line(group[0][1]), where, [trial for trial, _ in group], group[0][1])
        for (_, where), group in groups.items()
    ]
    return sorted(found, key=lambda cause: -len(cause.trials))


def place(results: Results, error: str) -> str:
    """The innermost place of an error in the user's code; modules of the job count as the user's."""
    return _place(error, _job_files(results))


def _place(error: str, own: Collection[str]) -> str:
    frame = user_frame(error, own)
    return "" if frame is None else frame.place


def _job_files(results: Results) -> list[str]:
    modules = [name.partition(":")[0] for name in named_functions(results.job)]
    return [f"{module.replace('.', '/')}.py" for module in modules]


def first_line(text: str) -> str:
    """The message of an error in one line; empty for an empty text.

    It is the first line, with the next one where the first only announces it, as in Keras and TensorFlow; of a bare
    traceback it is the last line. Values that TensorFlow lists after its sentence are left out.
    """
    lines = [line for each in text.splitlines() if (line := _OPERATION.sub("", each.strip()).strip())]
    if not lines:
        return ""
    if lines[0].startswith("Traceback"):
        return lines[-1]
    if _OF_KERAS.search(lines[0]) and len(lines) > 1:
        # Keras' own sentence may announce the cause as well.
        announced = lines[2:3] if lines[1].endswith(":") else []
        return _BOLD.sub("", " ".join([*lines[:2], *announced]))
    if lines[0].endswith(":"):
        message = takewhile(lambda line: not line.startswith("Traceback"), lines[1:])
        first = next((line for line in message if not line.startswith(_NOISE)), "")
        sentence, values, _ = first.partition(".  ")
        return f"{lines[0]} {sentence}{'.' if values else ''}".rstrip()
    return lines[0]
