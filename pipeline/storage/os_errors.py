"""Errors of the operating system, and of object stores, as errors that a user can fix."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pipeline.errors import StorageError

__all__ = ["Action", "translated_errors"]

Action = Literal["look at", "list", "read", "write", "delete"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def translated_errors(action: Action, uri: str) -> Iterator[None]:
    """Replace an OSError by a StorageError that says what failed where, and what to do.

    Args:
        action: What is done.
        uri: The path or URI of the file or folder.

    Raises:
        FileNotFoundError: What is read, listed or deleted does not exist.
        StorageError: Any other error.
    """
    try:
        yield
    except OSError as error:
        if isinstance(error, FileNotFoundError) and action != "write":
            raise
        reason = error.strerror or str(error)
        advice = "Free some space there" if error.errno in _FULL else "Fix that"
        raise StorageError(
            f"Cannot {action} {uri}: {reason}. {advice}, or choose another storage with --storage. "
            "`tunepipe resume` continues a study that has started."
        ) from error
