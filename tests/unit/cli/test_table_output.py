"""How a command outputs a table."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.cli.table_output import form_of, format_of, output_table, save, writable
from pipeline.errors import StorageError, UsageError

TABLE = pa.table({"n": list(range(5)), "text": ["a", "\x1b[2J", "c", "d", "e"]})


@pytest.mark.parametrize(
    ("named", "output", "form"),
    [
        (None, None, "table"),
        ("table", None, "table"),
        ("csv", None, "csv"),
        (None, "x.csv", "csv"),
        (None, "x.JSON", "json"),
        (None, "x.parquet", "parquet"),
        ("csv", "x.txt", "csv"),
        ("json", "x.csv", "json"),
    ],
)
def test_a_format_is_named_or_follows_from_the_file(named: str | None, output: str | None, form: str) -> None:
    assert format_of(named, output and Path(output)) == form


@pytest.mark.parametrize(
    ("named", "output", "reported"),
    [
        ("xml", None, "printed as table, csv, .*'xml'"),
        ("parquet", None, "parquet needs --output"),
        (None, "x.xml", r"written to x\.xml as csv.*'xml'.*--format"),
        (None, "x", "'no suffix'"),
        ("table", "x.csv", "'table'"),
    ],
)
def test_an_unknown_format_is_refused(named: str | None, output: str | None, reported: str) -> None:
    with pytest.raises(UsageError, match=reported):
        format_of(named, output and Path(output))


def test_the_form_of_a_picture_is_its_suffix() -> None:
    forms = ("html", "png", "svg")
    assert form_of("--output", None, forms) == ""
    assert form_of("--output", Path("a.b.SVG"), forms) == "svg"
    for file in ("picture", "picture.gif"):
        with pytest.raises(UsageError, match=f"found {file}"):
            form_of("--output", Path(file), forms)


def test_standard_output_gets_safe_text(monkeypatch: pytest.MonkeyPatch) -> None:
    sink = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdout", sink)
    output_table(TABLE.slice(0, 2), "json", None)
    sink.flush()
    text = sink.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "\x1b" not in text
    assert json.loads(text) == TABLE.slice(0, 2).to_pylist()


def test_a_file_gets_all_rows_and_its_path_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.parquet"
    output_table(TABLE, "parquet", file)
    assert pq.read_table(file).to_pylist() == TABLE.to_pylist()
    assert capsys.readouterr().out == f"{file}\n"


@pytest.mark.parametrize(("content", "read"), [("ö", "ö".encode()), (b"\x00", b"\x00"), (memoryview(b"12"), b"12")])
def test_a_text_file_is_saved(tmp_path: Path, content: str | bytes | memoryview, read: bytes) -> None:
    save(tmp_path / "x", content)
    assert (tmp_path / "x").read_bytes() == read


def test_the_path_goes_to_stderr_where_stdout_is_for_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save(tmp_path / "x", "", err=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{tmp_path}/x\n")


def test_a_file_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no folder .*/nowhere\. Create it"):
        save(tmp_path / "nowhere/x", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"Cannot write .*/folder: Is a directory\. Name another file\."):
        save(tmp_path / "folder", "")


def test_a_new_file_that_fails_is_removed(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        save(tmp_path / "new", None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_text("old")
    with pytest.raises(TypeError):
        save(tmp_path / "old", None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old and longer")
    (tmp_path / "old").chmod(0o604)
    save(tmp_path / "old", "new")
    assert (tmp_path / "old").read_text() == "new"
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o604
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_reported() -> None:
    with pytest.raises(StorageError, match="Cannot write /dev/full: No space left on device"):
        save(Path("/dev/full"), "x" * 100_000)


@pytest.mark.parametrize(
    "words",
    [
        ["results", "missing", "--output"], ["sql", "missing", "select 1", "--output"],
        ["report", "missing", "--output"],
        ["compare", "missing", "missing", "--output"],
    ],
)  # fmt: skip
def test_a_file_is_refused_before_any_work(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.json").write_text("{}")
    for name, reported in [
        ("link.csv", "is a link to"),
        ("study/x.csv", "is within the study"),
        ("none/x.csv", "there is no folder"),
    ]:
        with pytest.raises(StorageError, match=reported):
            CliRunner().invoke(app, [*words, str(tmp_path / name)], catch_exceptions=False)
    assert writable(None) is None
    assert not (tmp_path / "target.csv").exists()
