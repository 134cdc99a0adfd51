"""Conflicts where an object is created."""

import pytest
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import ProtocolError

from pipeline.cluster.creation_retries import create_with_retries, is_conflict, is_contended, is_taken, is_unanswered


def refusal(status: int, message: str) -> ApiException:
    """A refusal of the server."""
    error = ApiException(status=status)
    error.body = message
    return error


@pytest.mark.parametrize(
    ("error", "conflict", "taken", "contended"),
    [
        (refusal(409, 'rayjobs.ray.io "s-1" already exists'), True, True, False),
        (refusal(409, "Operation cannot be fulfilled on resourcequotas"), True, False, True),
        (refusal(422, "already exists"), False, False, False),
    ],
)
def test_a_taken_name_is_no_contended_quota(error, conflict, taken, contended):
    """Of two kinds of conflicts, one says that there is an object of that name, and one that a quota has changed."""
    assert (is_conflict(error), is_taken(error), is_contended(error)) == (conflict, taken, contended)


def test_an_object_is_created_after_errors_that_pass():
    """A request is sent again after a transient error, but not after another one or when its time is up."""
    answers: list[object] = [refusal(409, "q"), refusal(409, "q"), "made", refusal(422, "no"), refusal(409, "q")]

    def create() -> object:
        answer = answers.pop(0)
        if isinstance(answer, ApiException):
            raise answer
        return answer

    assert create_with_retries(create, is_contended, 60.0, 0.0) == "made"
    for seconds in (60.0, -1.0):
        with pytest.raises(ApiException):
            create_with_retries(create, is_contended, seconds, 0.0)
    assert answers == []


@pytest.mark.parametrize(
    ("error", "unanswered"),
    [
        (ProtocolError("Connection aborted."), True),
        (refusal(504, "gateway"), True),
        (refusal(429, "busy"), True),
        (refusal(409, "already exists"), False),
        (refusal(422, "no"), False),
    ],
)
def test_an_object_may_exist_without_an_answer(error, unanswered):
    """Without an answer, or with that of a gateway or a busy server, the same request is sent again; not after no."""
    assert is_unanswered(error) is unanswered
