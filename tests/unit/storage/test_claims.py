"""Creating a file once in an object store."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from pipeline.storage.object_files import ObjectFiles


@pytest.fixture
def files(tmp_path: Path) -> ObjectFiles:
    """An empty bucket."""
    (tmp_path / "bucket/sessions").mkdir(parents=True)
    return ObjectFiles(fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "bucket")


def test_one_of_several_simultaneous_writers_creates_a_file(files: ObjectFiles) -> None:
    """If several writers create a file at the same time, exactly one succeeds, its content stays, and no claim does."""
    barrier, created, refused = threading.Barrier(8), [], []

    def create(content: bytes) -> None:
        barrier.wait()
        (created if files.create("sessions/1.json", content) else refused).append(content)

    writers = [threading.Thread(target=create, args=(str(number).encode(),)) for number in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert (len(created), len(refused)) == (1, 7)
    assert files.read("sessions/1.json") == created[0]
    assert [path for path, _ in files.sizes("")] == ["sessions/1.json"]


def test_a_writer_that_looked_earlier_does_not_replace_the_file(
    files: ObjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer withdraws if another one begins between its look and its writing, and finds that one's file."""
    own, looks = files.sizes, list[str]()
    claim = "sessions/.writing-1.json-0123abcd"

    def sizes(folder: str) -> Any:
        looks.append(folder)
        if len(looks) == 1:
            # The other one has its claim, and looks, too, before either of them writes.
            files.write(claim, [b"claim"])
        else:
            files.write("sessions/1.json", [b"other"])
            files.delete(claim)
        return own(folder)

    monkeypatch.setattr(files, "sizes", sizes)
    assert not files.create("sessions/1.json", b"mine")
    assert looks == ["sessions"] * 2
    assert files.read("sessions/1.json") == b"other"


def test_the_claim_of_a_killed_writer_counts_for_some_seconds(
    files: ObjectFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A claim that stays, because its writer was killed, keeps others from creating the file for some seconds only."""
    files.write("sessions/.writing-1.json-0123abcd", [b"claim"])
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(time, "sleep", lambda _: now.__setitem__(0, now[0] + 4.0))
    assert files.create("sessions/1.json", b"mine")
    assert now[0] == 112.0
    assert files.read("sessions/1.json") == b"mine"
