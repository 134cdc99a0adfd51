"""Conflicts (HTTP 409) where an object is created: its name is taken, or others change the namespace's quota."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from kubernetes.client.exceptions import ApiException

__all__ = ["created_at_last", "is_conflict", "is_contended", "is_taken"]


def is_conflict(error: ApiException) -> bool:
    """Whether an error is a conflict.

    Args:
        error: The error of a request that creates an object.
    """
    return bool(error.status == HTTPStatus.CONFLICT)


def is_taken(error: ApiException) -> bool:
    """Whether there is an object of that name.

    Args:
        error: The error of a request that creates an object.
    """
    return is_conflict(error) and "already exists" in str(error.body)


def is_contended(error: ApiException) -> bool:
    """Whether another request has changed a quota at the same time; the name of the object may be free.

    Args:
        error: The error of a request that creates an object.
    """
    return is_conflict(error) and not is_taken(error)


def created_at_last(
    create: Callable[[], Any], passes: Callable[[ApiException], bool], seconds: float, every: float
) -> Any:
    """What a request creates, which is sent again after errors that pass.

    Args:
        create: Sends the request.
        passes: Whether the same request may succeed after an error.
        seconds: How long to try.
        every: Seconds between two tries.

    Returns:
        The created object.

    Raises:
        ApiException: An error that does not pass, or has not passed in that time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            return create()
        except ApiException as error:
            if not passes(error) or time.monotonic() > end:
                raise
        time.sleep(every)
