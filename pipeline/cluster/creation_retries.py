"""Transient errors when an object is created: conflicts (HTTP 409), and answers that do not arrive."""

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from pipeline.cluster.api_errors import is_busy


def is_conflict(error: Exception) -> bool:
    """Whether an error is a conflict."""
    return isinstance(error, ApiException) and error.status == HTTPStatus.CONFLICT


def is_taken(error: Exception) -> bool:
    """Whether there is an object of that name."""
    return isinstance(error, ApiException) and is_conflict(error) and "already exists" in str(error.body)


def is_contended(error: Exception) -> bool:
    """Whether another request has changed a quota at the same time; the name of the object may be free."""
    return is_conflict(error) and not is_taken(error)


def is_unanswered(error: Exception) -> bool:
    """Whether the server could not answer, or its answer was lost; the object may have been created."""
    return isinstance(error, HTTPError | OSError) or (isinstance(error, ApiException) and is_busy(error.status or 0))


def create_with_retries(
    create: Callable[[], Any], is_transient: Callable[[Exception], bool], seconds: float, every: float
) -> Any:
    """What a request creates, which is sent again after transient errors."""
    end = time.monotonic() + seconds
    while True:
        try:
            return create()
        except (ApiException, HTTPError, OSError) as error:
            if not is_transient(error) or time.monotonic() > end:
                raise
        time.sleep(every)
