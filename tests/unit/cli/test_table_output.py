"""How a command outputs a table."""

import errno
import io
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipeline.cli.commands import app
from pipeline.cli.table_output import form_of, format_of, output_table, save, writable
from pipeline.errors import StorageError, UsageError
from pipeline.results.tables.database import Answer

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
    """The output format is the named one, or else that of the file's suffix, or else a table."""
    assert format_of(named, output and Path(output)) == form


@pytest.mark.parametrize(
    ("named", "output", "reported"),
    [
        ("xml", None, "must be one of table, csv, "),
        ("parquet", None, "Name a file with --output"),
        (None, "x.xml", r"x\.xml .*--format"),
        ("table", "x.csv", "for the terminal"),
    ],
)
def test_an_unknown_format_is_refused(named: str | None, output: str | None, reported: str) -> None:
    """A format that is unknown, does not fit the output or cannot be derived from the file's suffix is refused."""
    with pytest.raises(UsageError, match=reported):
        format_of(named, output and Path(output))


def test_the_form_of_a_picture_is_its_suffix() -> None:
    """The kind of a page or picture follows from the file's suffix, and other suffixes are refused."""
    forms = ("html", "png", "svg")
    assert form_of("--output", None, forms) == ""
    assert form_of("--output", Path("a.b.SVG"), forms) == "svg"
    for file in ("picture", "picture.gif"):
        with pytest.raises(UsageError, match=rf"--output must end in .html, .png or .svg; found {file}\."):
            form_of("--output", Path(file), forms)


def test_a_terminal_gets_rows_up_to_a_limit(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal gets a limited number of a table's rows and a note of how many more there are, if known."""
    output_table(Answer.of(TABLE), "table", None, limit=2)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [["n", "text"], ["0", "a"], ["1", r"\x1b[2J"]]
    assert lines[3].startswith("… and more rows than these 2")
    output_table(Answer.of(TABLE.slice(0, 3)), "table", None, of=20)
    assert capsys.readouterr().out.splitlines()[-1] == "… and 17 more; --top shows them."
    output_table(Answer.of(TABLE), "table", None, limit=5)
    assert len(capsys.readouterr().out.splitlines()) == 6


def test_standard_output_gets_safe_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON on standard output has the rows up to the limit, with control characters escaped."""
    sink = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr("sys.stdout", sink)
    output_table(Answer.of(TABLE), "json", None, limit=2)
    sink.flush()
    text = sink.buffer.getvalue().decode()  # type: ignore[attr-defined]
    assert "\x1b" not in text
    assert json.loads(text) == TABLE.slice(0, 2).to_pylist()


def test_a_file_gets_all_rows_and_its_path_is_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file gets all rows of a table unchanged, and its path is printed."""
    file = tmp_path / "rows.parquet"
    output_table(Answer.of(TABLE), "parquet", file)
    assert pq.read_table(file).to_pylist() == TABLE.to_pylist()
    assert capsys.readouterr().out == f"{file}\n"


@pytest.mark.parametrize(("content", "read"), [("ö", "ö".encode()), (b"\x00", b"\x00"), (memoryview(b"12"), b"12")])
def test_a_text_file_is_saved(tmp_path: Path, content: str | bytes | memoryview, read: bytes) -> None:
    """Text is saved to a file as UTF-8, and bytes are saved unchanged."""
    save(tmp_path / "x", content)
    assert (tmp_path / "x").read_bytes() == read


def test_the_path_goes_to_stderr_where_stdout_is_for_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The path of a saved file is printed to stderr if stdout is reserved for JSON."""
    save(tmp_path / "x", "", err=True)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"{tmp_path}/x\n")


def test_a_file_that_cannot_be_written_is_explained(tmp_path: Path) -> None:
    """A file that cannot be written, because its folder is missing or it is a folder, is refused with the reason."""
    with pytest.raises(StorageError, match=r"there is no folder .*/nowhere\. Create it"):
        save(tmp_path / "nowhere/x", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=r"Cannot write .*/folder: Is a directory\. Name another file\."):
        save(tmp_path / "folder", "")


def test_a_new_file_that_fails_is_removed(tmp_path: Path) -> None:
    """A new file whose writing fails is removed, and a file that existed before is kept."""
    with pytest.raises(TypeError):
        save(tmp_path / "new", None)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "old").write_text("old")
    with pytest.raises(TypeError):
        save(tmp_path / "old", None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "old"


def test_a_file_is_replaced_with_its_permissions(tmp_path: Path) -> None:
    """A file that existed is replaced as a whole and keeps its permissions, and no other file remains."""
    (tmp_path / "old").write_text("old and longer")
    (tmp_path / "old").chmod(0o604)
    save(tmp_path / "old", "new")
    assert (tmp_path / "old").read_text() == "new"
    assert (tmp_path / "old").stat().st_mode & 0o777 == 0o604
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is its own mount, which no other file can replace, is written where it is."""

    def refuse(*_: object) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    (tmp_path / "old").write_text("old and longer")
    monkeypatch.setattr(Path, "replace", refuse)
    save(tmp_path / "old", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["old"]
    assert (tmp_path / "old").read_text() == "new"


def test_a_file_that_may_not_be_written_is_not_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that its permissions protect is opened as it is, which the system refuses: no other replaces it."""
    file = tmp_path / "old"
    file.write_text("old")
    before = file.stat().st_ino
    # The tests' user may be one to whom nothing is refused.
    monkeypatch.setattr(os, "access", lambda path, _: Path(path) != file)
    save(file, "new")
    assert file.stat().st_ino == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_full_disk_is_reported() -> None:
    """A full disk is reported with the system's message."""
    with pytest.raises(StorageError, match="Cannot write /dev/full: No space left on device"):
        save(Path("/dev/full"), "x" * 100_000)


@pytest.mark.parametrize(
    "words",
    [
        ["results", "missing", "--output"], ["sql", "missing", "select 1", "--output"],
        ["report", "missing", "--output"],
        ["compare", "missing", "missing", "--output"], ["simulate", "missing", "--plot"],
    ],
)  # fmt: skip
def test_a_file_is_refused_before_any_work(tmp_path: Path, words: list[str]) -> None:
    """An output file that is a link, within a study or in a missing folder is refused before a study is read."""
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
