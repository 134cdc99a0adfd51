"""The Parquet files that the data of a job refer to."""

import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets import load
from pipeline.datasets.parquet_files import ParquetFiles, is_parquet
from pipeline.errors import DataError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of files of ten rows, with other files in between."""
    for name in ("rows/b.parquet", "rows/a.parquet", "rows/more/c.parquet", "rows/_tmp/d.parquet", "rows/.e.parquet"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table({"x": range(10), "target": range(10)}), file, row_group_size=4)
    (tmp_path / "rows/notes.txt").write_text("none")
    return tmp_path


def _names(data: str) -> list[str]:
    return [path.rpartition("rows/")[2] for path in ParquetFiles.find(data).paths]


def test_a_folder_names_its_files_in_order(folder: Path) -> None:
    """A folder stands for its Parquet files at any depth, sorted by path, without hidden and temporary ones."""
    (folder / "rows/z.parquet").symlink_to(folder / "rows/a.parquet")
    assert _names(f"{folder}/rows/") == ["a.parquet", "b.parquet", "more/c.parquet", "z.parquet"]
    assert _names(f"file://{folder}/rows/") == ["a.parquet", "b.parquet", "more/c.parquet", "z.parquet"]


def test_a_pattern_names_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A star in a pattern matches any part of a file's or folder's name, but no slash."""
    monkeypatch.chdir(folder)
    assert _names("rows/*.parquet") == ["a.parquet", "b.parquet"]
    assert _names("*/*/c*") == ["more/c.parquet"]
    assert is_parquet("*.parquet")
    assert not is_parquet("digits")


def test_row_groups_are_numbered_over_all_files(folder: Path) -> None:
    """Row groups have their rows and the number of rows before them in all files, even in a pickled copy."""
    files = pickle.loads(pickle.dumps(ParquetFiles.find(f"{folder}/rows/*.parquet")))
    assert [(group.file, group.group, group.rows, group.first) for group in files.groups] == [
        *((0, 0, 4, 0), (0, 1, 4, 4), (0, 2, 2, 8)),
        *((1, 0, 4, 10), (1, 1, 4, 14), (1, 2, 2, 18)),
    ]
    assert files.table(files.groups[2], ["x"]).to_pydict() == {"x": [8, 9]}
    assert files.rows == 20


def test_the_hash_is_that_of_the_content(folder: Path) -> None:
    """The hash depends on the rows, even if their number is the same, and not on the folder's path."""
    before = ParquetFiles.find(f"{folder}/rows/").hash
    (folder / "rows").rename(folder / "moved")
    assert ParquetFiles.find(f"{folder}/moved/").hash == before
    pq.write_table(pa.table({"x": range(1, 11), "target": range(10)}), folder / "moved/a.parquet", row_group_size=4)
    assert ParquetFiles.find(f"{folder}/moved/").hash != before


def test_files_need_the_same_columns(folder: Path) -> None:
    """A file whose columns differ from those of the other files is refused with its path."""
    pq.write_table(pa.table({"x": range(10), "label": range(10)}), folder / "rows/more/c.parquet")
    with pytest.raises(
        DataError, match=r"c\.parquethas different columns from .*a\.parquet: .*label \(int64\) instead"
    ):
        load(f"{folder}/rows/")


@pytest.mark.parametrize("data", ["empty/", "rows/*.csv", "gone/"])
def test_no_files_are_reported(folder: Path, monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    """A folder or a pattern without any file is reported with the location that was searched."""
    (folder / "empty").mkdir()
    monkeypatch.chdir(folder)
    with pytest.raises(DataError, match=rf"no Parquet files {data.replace('*', '.')} in {folder}"):
        ParquetFiles.find(data)


def test_a_damaged_file_is_reported(folder: Path) -> None:
    """A file with content other than Parquet is reported as no Parquet file."""
    (folder / "rows/b.parquet").write_text("no")
    with pytest.raises(DataError, match=r"A file of .*rows/ is not a complete Parquet file"):
        load(f"{folder}/rows/")


def test_folders_named_by_a_value_are_a_column(tmp_path: Path) -> None:
    """Rows in folders named split=train and split=validation have a column `split` with that value."""
    for name, rows in (("train", 8), ("validation", 4)):
        (tmp_path / f"split={name}").mkdir()
        pq.write_table(pa.table({"x": range(rows), "target": range(rows)}), tmp_path / f"split={name}/part.parquet")
    data = load(f"{tmp_path}/")
    assert (data.train.rows, data.validation.rows, data.test) == (8, 4, None)
    assert data.facts["columns"] == ["x"]
