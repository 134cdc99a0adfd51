"""Which line of the user's code is running, for messages."""

import contextlib
import inspect
from pathlib import Path
from typing import Any

from pipeline.errors import Fault, InvalidJob

__all__ = ["refused", "user_line", "user_place"]

_PACKAGE = str(Path(__file__).parents[1])


def user_line() -> tuple[str, int]:
    """The file and the line of the user's code that is running: the innermost frame outside of libraries."""
    frame: Any = inspect.currentframe()
    assert frame is not None
    innermost = (frame.f_code.co_filename, frame.f_lineno)
    while frame is not None:
        file = frame.f_code.co_filename
        inside = file.startswith((_PACKAGE, "<")) or "site-packages" in file or "dist-packages" in file
        if not inside and not file.startswith(str(Path(contextlib.__file__).parent)):
            return file, frame.f_lineno
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
