"""A failure as a finding: the error in short, and the line of the user's code at which it occurred."""

import re
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from pipeline import errors
from pipeline.execution.preflight.finding import Failed, Finding
from pipeline.results.analysis.failure_causes import first_line

__all__ = ["error_text", "failed_finding", "user_frame"]

_FRAME = re.compile(
    r'^ *File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<where>.+)\n(?: {4,}(?P<code>.+))?', re.MULTILINE
)
_LONGEST = 400


def failed_finding(name: str, failed: Failed, sources: Mapping[str, str], advice: str) -> Finding:
    """The finding of a stage that failed.

    Args:
        name: What was checked.
        failed: What happened.
        sources: As for `error_text`.
        advice: What to do.
    """
    return Finding(name, "fault", error_text(failed.message, failed.trace, sources), advice)


def error_text(text: str, trace: str, sources: Mapping[str, str]) -> str:
    """An error in a line or two, with the line of the user's code at which it occurred.

    Args:
        text: The error.
        trace: Its traceback.
        sources: File that ran → file that the user wrote, for copies of a job's sources.
    """
    frame = user_frame(trace, sources)
    return f"{_shortened(text)} ({frame})" if frame else _shortened(text)


def user_frame(trace: str, sources: Mapping[str, str]) -> str:
    """The line of the user's code at which an error occurred; empty if there is none.

    Args:
        trace: A traceback.
        sources: As for `error_text`.
    """
    frames = [frame for frame in _FRAME.finditer(trace) if _is_users(frame["file"])]
    if not frames:
        return ""
    last = frames[-1]
    place = f"{sources.get(last['file'], last['file'])}, line {last['line']}, in {last['where']}"
    return f"{place}: {last['code'].strip()}" if last["code"] else place


def _shortened(text: str) -> str:
    text = first_line(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _is_users(file: str) -> bool:
    installed = [str(sysconfig.get_path(name)) for name in ("stdlib", "purelib", "platlib")]
    homes = [str(Path(errors.__file__).parent), *installed]
    return not file.startswith("<") and not any(Path(file).is_relative_to(home) for home in homes)
