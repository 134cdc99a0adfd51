"""Messages for errors of the operating system."""

import errno

import pyarrow as pa
import pytest

from pipeline.errors import StorageError, StorageUnreachable
from pipeline.storage.os_errors import Action, translated_errors


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "Cannot write s3://bucket/a: no. Fix that, or choose another storage with --storage."),
        (errno.ENOSPC, "Cannot write s3://bucket/a: no. Free some space there, or choose another storage"),
        (errno.EDQUOT, "Free some space there"),
    ],
)
def test_an_error_has_path_reason_and_advice(number: int, advice: str) -> None:
    """The message of a system error has its operation, path and reason, and specific advice for a full disk."""
    with pytest.raises(StorageError) as caught, translated_errors("write", "s3://bucket/a"):
        raise OSError(number, "no")
    assert advice in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (OSError(errno.ESTALE, "Stale file handle"), True),
        (OSError(errno.EROFS, "Read-only file system"), False),
        (OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7"), True),
        (OSError("AWS Error UNKNOWN (HTTP status 503) during PutObject operation"), True),
        (OSError("AWS Error ACCESS_DENIED during HeadObject operation"), False),
        (OSError("google::cloud::Status(UNAVAILABLE: no answer)"), True),
        (OSError("google::cloud::Status(PERMISSION_DENIED: no)"), False),
    ],
)
def test_a_storage_that_does_not_answer_is_no_mistake(error: OSError, away: bool) -> None:
    """A server that is unreachable or busy is distinguished from one that refuses, for folders and object stores."""
    with pytest.raises(StorageError) as caught, translated_errors("look at", "s3://bucket/a"):
        raise error
    assert isinstance(caught.value, StorageUnreachable) is away


def test_an_error_without_a_reason_has_its_own_text() -> None:
    """An error without a number, as of an object store, is reported with its own text as the reason."""
    with (
        pytest.raises(StorageError, match="Cannot list s3://bucket: AWS Error"),
        translated_errors("list", "s3://bucket"),
    ):
        raise OSError("AWS Error")


def test_an_error_of_googles_client_is_its_reason() -> None:
    """An error of Google's client is reported without the details of its attempts."""
    text = "google::cloud::Status(UNAVAILABLE: no answer error_info={reason=, metadata={a=b}}). Detail: [errno 2] No"
    reported = pytest.raises(StorageError, match=r"Cannot list gs://b: UNAVAILABLE: no answer\. Fix that")
    with reported, translated_errors("list", "gs://b"):
        raise OSError(text)


def test_an_error_of_azures_client_is_an_error_of_the_storage() -> None:
    """An error without its own class, as of Azure's client, is the storage's; pyarrow's other errors pass."""
    reported = pytest.raises(StorageError, match=r"Cannot read abfs://c/a: Unknown error: no token\. Fix that")
    with reported, translated_errors("read", "abfs://c/a"):
        raise pa.ArrowException("Unknown error: no token")
    with pytest.raises(pa.ArrowInvalid, match="not a Parquet file"), translated_errors("read", "abfs://c/a"):
        raise pa.ArrowInvalid("not a Parquet file")


@pytest.mark.parametrize("action", ["look at", "list", "read", "delete"])
def test_a_missing_file_stays_a_missing_file(action: Action) -> None:
    """A missing file is reported as such, so that callers can continue without it."""
    with pytest.raises(FileNotFoundError), translated_errors(action, "a"):
        raise FileNotFoundError(errno.ENOENT, "no")


def test_a_missing_folder_of_a_written_file_is_an_error_of_the_storage() -> None:
    """A write that fails because of a missing folder is a storage error for the user."""
    with pytest.raises(StorageError, match="Cannot write a: gone"), translated_errors("write", "a"):
        raise FileNotFoundError(errno.ENOENT, "gone")
