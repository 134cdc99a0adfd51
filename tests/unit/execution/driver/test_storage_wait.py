"""A driver that starts while its storage is away."""

import socket

import pytest
from pyarrow import fs

from pipeline.errors import StorageError, StorageUnreachable, UsageError
from pipeline.execution.driver import storage_wait
from pipeline.execution.driver.storage_wait import wait_for_storage
from pipeline.storage import Store, store as location
from pipeline.study.studies import STORAGE_WAIT_VARIABLE
from tests.hostile.command import tunepipe


@pytest.fixture
def requests(monkeypatch):
    """Errors of the next requests to a storage, after which it answers."""
    monkeypatch.setattr(storage_wait, "POLL_SECONDS", 0.0)
    errors = []

    def exists(_store, _path):
        if errors:
            raise errors.pop()
        return False

    monkeypatch.setattr(Store, "exists", exists)
    return errors


AWAY = StorageUnreachable("Cannot look at s3://b/s: no server. Fix that, or choose another storage with --storage.")


def test_a_driver_waits_for_its_storage(requests, monkeypatch):
    """A driver whose environment says so waits for a storage that does not answer, and says why once."""
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "300")
    requests += [AWAY] * 3
    notes = []
    wait_for_storage("/s", notes.append)
    assert requests == []
    assert notes == ["The driver waits for the storage for up to 300 s: Cannot look at s3://b/s: no server."]


def test_a_driver_waits_for_the_server_that_says_where_its_storage_is(requests, monkeypatch):
    """A driver waits, too, where the region of its storage cannot be looked up yet."""
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "300")
    answers = [OSError("When resolving region for bucket 'b': AWS Error NETWORK_CONNECTION during HeadBucket"), None]

    def file_system(_uri):
        if (error := answers.pop(0)) is not None:
            raise error
        return fs.FileSystem.from_uri("mock:///b")

    monkeypatch.setattr(location, "file_system", file_system)
    notes = []
    wait_for_storage("s3://b/s", notes.append)
    assert answers == []
    (note,) = notes
    assert note.endswith("region for bucket 'b': AWS Error NETWORK_CONNECTION during HeadBucket.")


def test_a_storage_that_refuses_is_not_waited_for(requests, monkeypatch):
    """A storage that answers and refuses gives an error for which no driver waits."""
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "300")
    requests += [StorageError("no such key")] * 2
    with pytest.raises(StorageError, match="no such key"):
        wait_for_storage("/s", pytest.fail)
    assert len(requests) == 1


@pytest.mark.parametrize("seconds", [None, "0", "0.0"])
def test_a_driver_does_not_wait_by_default(requests, monkeypatch, seconds):
    """A driver whose environment says nothing, or no time, ends immediately if its storage does not answer."""
    monkeypatch.delenv(STORAGE_WAIT_VARIABLE, raising=False)
    if seconds is not None:
        monkeypatch.setenv(STORAGE_WAIT_VARIABLE, seconds)
    requests += [AWAY] * 2
    with pytest.raises(StorageUnreachable):
        wait_for_storage("/s", pytest.fail)
    assert len(requests) == 1


def test_a_time_that_is_no_number_is_refused(requests, monkeypatch):
    """A time in the environment that is not a number is refused by name."""
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "soon")
    requests.append(AWAY)
    with pytest.raises(UsageError, match="TUNEPIPE_STORAGE_WAIT must be a number of seconds; found 'soon'"):
        wait_for_storage("/s", pytest.fail)


def test_the_command_waits_before_it_reads(monkeypatch):
    """`tunepipe run` waits for an object store before it reads anything of the study to resume there."""
    monkeypatch.setenv(STORAGE_WAIT_VARIABLE, "1")
    monkeypatch.setattr(storage_wait, "POLL_SECONDS", 0.0)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        storage = f"s3://b/s?endpoint_override=127.0.0.1:{closed.getsockname()[1]}&scheme=http&region=us-east-1"
        ended = tunepipe("run", "beale", "--resume", "--storage", storage)
    assert ended.code == 2
    printed = " ".join(ended.errors.split())
    assert printed.startswith("The driver waits for the storage for up to 1 s: Cannot look at s3://b/s/study.json")
    assert printed.count("The driver waits") == 1
