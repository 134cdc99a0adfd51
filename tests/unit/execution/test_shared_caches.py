"""Where the workers of a session keep what the trials of a node share."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline.datasets import SharedPart
from pipeline.execution.shared_caches import no_room, shared_caches, sharing_in_words
from pipeline.storage import Store
from pipeline.storage.scratch import close_shared_folders
from pipeline.study import layout


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The machine's folder for temporary files."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    yield place
    close_shared_folders()


def test_the_workers_of_a_session_share_a_folder(tmp_path: Path) -> None:
    """Workers of one session share one folder, and another session or a later study of the same name has another."""
    store = Store(tmp_path / "study")
    found = []
    for session, mark in ((1, "a"), (1, "a"), (2, "b"), (1, "c")):
        store.write(layout.session(session), json.dumps({"mark": mark}))
        found.append(shared_caches(store, session).path)
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_processes_outside_of_a_session_share_nothing(tmp_path: Path) -> None:
    """A process without a session, and one whose session cannot be read, has a separate folder."""
    store = Store(tmp_path / "study")
    assert len({shared_caches(store, session).path for session in (None, None, 7, 7)}) == 4


def test_parts_are_described(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared parts are described with elements and size as far as known, the folder and its free space."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000_000))
    parts = [SharedPart("train", "", 2000, 55_000_000), SharedPart("validation", "", None, None)]
    assert sharing_in_words([]) is None
    assert sharing_in_words(parts) == (
        "the trials of a node share 'train' (2,000 elements, 55 MB) and 'validation' (an unknown number of elements): "
        f"one of them writes it to the node's temporary folder (here {temporary}, 5 GB free), the others read it there"
    )


def test_parts_without_room_are_reported(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts that would leave less than a GiB of the disk are reported with their size."""
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=5_000_000_000))
    assert no_room([]) is None
    assert no_room([SharedPart("train", "", 1, 3_000_000_000)]) is None
    found = no_room([SharedPart("train", "", 1, 3_000_000_000), SharedPart("test", "", 1, 1_500_000_000)])
    assert found == f"They need 4.5 GB, for which {temporary} has no room here: each trial computes them in each epoch"
