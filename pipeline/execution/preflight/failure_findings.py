"""A failure as a finding: the error in short, and the line of the user's code at which it occurred."""

from collections.abc import Mapping

from pipeline.execution.preflight.finding import Failure, Finding
from pipeline.results.analysis.failure_causes import first_line
from pipeline.study.user_frames import user_frame

_MAX_LENGTH = 400


def failed_finding(name: str, failed: Failure, sources: Mapping[str, str], advice: str) -> Finding:
    """The finding of a stage that failed."""
    return Finding(name, "error", error_text(failed.message, failed.trace, sources), advice)


def error_text(text: str, trace: str, sources: Mapping[str, str]) -> str:
    """An error in a line or two, with the line of the user's code at which it occurred."""
    text, frame = _shortened(text), user_frame(trace, sources)
    if frame is None:
        return text
    place = f"{sources.get(frame.file, frame.file)}, line {frame.line}, in {frame.function}"
    return f"{text} ({place}: {frame.code})" if frame.code else f"{text} ({place})"


def _shortened(text: str) -> str:
    text = first_line(text)
    return text if len(text) <= _MAX_LENGTH else text[: _MAX_LENGTH - 1] + "…"
