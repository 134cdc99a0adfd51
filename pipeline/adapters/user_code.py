"""Which line of the user's code is running, for messages."""

import inspect
from pathlib import Path
from typing import Any

from pipeline.errors import Fault, InvalidJob
from pipeline.study.user_frames import is_users

__all__ = ["refused", "user_line", "user_place"]


def user_line() -> tuple[str, int]:
    """The file and the line of the user's code that is running: the innermost frame outside of libraries."""
    frame: Any = inspect.currentframe()
    assert frame is not None
    innermost = (frame.f_code.co_filename, frame.f_lineno)
    while frame is not None:
        if is_users(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return innermost


def user_place() -> str:
    """The line of the user's code that is running, as `file.py, line 3`."""
    file, line = user_line()
    return f"{Path(file).name}, line {line}"


def refused(subject: str, found: Any, allowed: str) -> InvalidJob:
    """The error for an unsupported call in the running line of the user's code.

    Args:
        subject: What is translated, for the message.
        found: What was found in that line.
        allowed: What is allowed instead.
    """
    return InvalidJob(subject, [Fault(user_place(), found, allowed)])
