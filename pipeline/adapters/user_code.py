"""Which line of the user's code is running, for messages."""

import inspect
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.code import is_tunepipe_file, is_user_file
from pipeline.errors import Fault, InvalidJob, UserError


def user_line() -> tuple[str, int]:
    """The file and the line of the user's code that is running: the innermost frame outside of libraries."""
    frame: Any = inspect.currentframe()
    assert frame is not None
    innermost = (frame.f_code.co_filename, frame.f_lineno)
    while frame is not None:
        if is_user_file(frame.f_code.co_filename):
            return frame.f_code.co_filename, frame.f_lineno
        frame = frame.f_back
    return innermost


def user_place() -> str:
    """The line of the user's code that is running, as `file.py, line 3`."""
    file, line = user_line()
    return f"{Path(file).name}, line {line}"


def refused(subject: str, found: Any, allowed: str) -> InvalidJob:
    """The error for an unsupported call in the running line of the user's code."""
    return InvalidJob(subject, [Fault(user_place(), found, allowed)])


@contextmanager
def user_errors(subject: str) -> Iterator[None]:
    """Within the context, an error of the user's code is one of the job, with its line; a bug of tunepipe stays one."""
    try:
        yield
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        place = None
        for frame in traceback.extract_tb(error.__traceback__):
            if is_user_file(frame.filename):
                place = f"{Path(frame.filename).name}, line {frame.lineno}"
            elif is_tunepipe_file(frame.filename):
                place = None
        if place is None:
            raise
        try:
            found = f"{type(error).__name__}: {error}"
        except Exception:  # it is the user's own class
            found = f"{type(error).__name__}, an error that cannot be shown"
        raise InvalidJob(subject, [Fault(place, found, "must run without an error")]) from error
