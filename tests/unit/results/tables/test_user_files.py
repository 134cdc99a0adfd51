"""What a trial's callbacks and functions have written, read back."""

import pytest

from pipeline.errors import StorageError
from pipeline.results.tables.user_files import TrialFile, files_of
from pipeline.storage import Store


def test_files_are_listed_with_their_sizes(tmp_path):
    """A trial's files in all subfolders are listed with their sizes, and so are deleted ones."""
    store = Store(tmp_path)
    for path in ("files/0001/log.csv", "files/0001/deep/x.bin", "files/0002/other.csv"):
        store.write(path, b"12345")
    store.write("files/0001.dropped.json", '[{"path": "old.keras", "bytes": 7}]')
    found = files_of(store, "0001")
    assert found.kept == [TrialFile("deep/x.bin", 5), TrialFile("log.csv", 5)]
    assert found.dropped == [TrialFile("old.keras", 7)]
    assert files_of(store, "0003").kept == []


@pytest.mark.parametrize("content", ['{"path": "x"}', '[{"path": "x", "bytes": -1}]', "[1]", '[{"path": "x"}]'])
def test_an_invalid_record_is_named(tmp_path, content):
    """A changed record of deleted files is an error that names the file and a remedy."""
    Store(tmp_path).write("files/0001.dropped.json", content)
    with pytest.raises(StorageError, match=r"files/0001\.dropped\.json .* is not a list of files"):
        files_of(Store(tmp_path), "0001")
