"""Errors of the operating system, and of object stores, as errors that a user can fix."""

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import pyarrow as pa

from pipeline.errors import StorageError, StorageUnreachable

Action = Literal["look at", "list", "read", "write", "delete"]

_FULL = (errno.ENOSPC, errno.EDQUOT)

_UNREACHABLE = {
    errno.ECONNABORTED, errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EIO,
    errno.ENETDOWN, errno.ENETUNREACH, errno.ENOTCONN, errno.ESTALE, errno.ETIMEDOUT,
}  # fmt: skip
"""Errors of a folder whose server cannot be reached, as on NFS."""

_UNAVAILABLE = re.compile(
    r"AWS Error (NETWORK_CONNECTION|SERVICE_UNAVAILABLE|SLOW_DOWN|INTERNAL_FAILURE|REQUEST_TIMEOUT|THROTTLING)"
    r"|HTTP status 5\d\d|\bStatus\((UNAVAILABLE|DEADLINE_EXCEEDED)|Fail to get a new connection"
)
"""How errors of S3's, Google's and Azure's clients say that a server cannot be reached, or is busy."""

_GOOGLE = re.compile(r"google::cloud::Status\((?P<reason>.*?)( error_info=\{.*)?$", re.DOTALL)
"""How errors of Google's client are written: the reason, then the details of its attempts."""


def is_unreachable(error: BaseException) -> bool:
    """Whether an error says that a server cannot be reached, or is busy."""
    return getattr(error, "errno", None) in _UNREACHABLE or _UNAVAILABLE.search(str(error)) is not None


@contextmanager
def translated_errors(action: Action, uri: str) -> Iterator[None]:
    """Replace an error of the system's or the store's by a StorageError that says what failed where, and what to do."""
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        # pyarrow has no class for an error of Azure's client; its subclasses are other errors.
        of_azure = type(error) is pa.ArrowException
        if not (of_azure or isinstance(error, OSError)) or (isinstance(error, FileNotFoundError) and action != "write"):
            raise
        reason = (getattr(error, "strerror", None) or str(error)).removesuffix(".")
        if (of_google := _GOOGLE.search(reason)) is not None:
            reason = of_google["reason"].removesuffix(")")
        advice = "Free some space there" if getattr(error, "errno", None) in _FULL else "Fix that"
        raise (StorageUnreachable if is_unreachable(error) else StorageError)(
            f"Cannot {action} {uri}: {reason}. {advice}, or choose another storage with --storage. "
            "`tunepipe resume` continues a study that has started."
        ) from error
