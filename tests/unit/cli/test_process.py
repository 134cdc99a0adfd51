"""A command's process: output that cannot be written, and its end."""

import io
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from pipeline.cli.process import forget_output, guard_streams
from pipeline.errors import OutputLost

Streams = Callable[[], None]


@pytest.fixture
def streams(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Streams]:
    with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
        yield lambda: _replace(monkeypatch, out, err)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Streams]:
    ends = [os.pipe(), os.pipe()]
    files = [os.fdopen(write, "w") for _, write in ends]
    for read, _ in ends:
        os.close(read)
    yield lambda: _replace(monkeypatch, *files)
    for file in files:
        file.close()


def _replace(monkeypatch: pytest.MonkeyPatch, out: TextIO, err: TextIO) -> None:
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)


def test_guarded_streams_write_their_text(streams: Streams, tmp_path: Path) -> None:
    streams()
    guard_streams()
    print("ö out")
    print("ö err", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    assert [(tmp_path / name).read_text() for name in ("out", "err")] == ["ö out\n", "ö err\n"]


def test_output_without_a_reader_is_lost(broken: Streams) -> None:
    broken()
    guard_streams()
    print("lost")
    with pytest.raises(OutputLost) as lost:
        sys.stdout.flush()
    assert lost.value.exit_code == 141
    forget_output()
    sys.stdout.flush()


def test_messages_without_a_reader_are_dropped(broken: Streams) -> None:
    broken()
    guard_streams()
    print("dropped", file=sys.stderr, flush=True)


@pytest.mark.parametrize(("unbuffered", "written"), [(True, "line\n"), (False, "")])
def test_unbuffered_output_has_each_line_immediately(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unbuffered: bool, written: str
) -> None:
    with (tmp_path / "out").open("wb") as out, (tmp_path / "err").open("w") as err:
        # Its end would close the file.
        stream = io.TextIOWrapper(out, "utf-8", write_through=unbuffered)
        _replace(monkeypatch, stream, err)
        guard_streams()
        assert stream is not sys.stdout
        print("line")
        assert (tmp_path / "out").read_text() == written
        sys.stdout.flush()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_character_that_an_encoding_lacks_is_written_as_its_escape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    with (tmp_path / "out").open("w", encoding=encoding) as out, (tmp_path / "err").open("w", encoding=encoding) as err:
        _replace(monkeypatch, out, err)
        guard_streams()
        print("1 – 2 …", flush=True)
        print("×日", file=sys.stderr, flush=True)
    assert (tmp_path / "out").read_text("ascii") == "1 \\u2013 2 \\u2026\n"
    assert (tmp_path / "err").read_text(encoding).endswith("\\u65e5\n")


PROGRAM = """
import atexit
from pipeline.cli.process import ProcessEnd

class Kept:
    def __del__(self):
        print("the interpreter ended")

kept, end = Kept(), ProcessEnd()
atexit.register(print, "an exit function")
"""


@pytest.mark.parametrize(
    ("last", "code", "errors"),
    [
        ("end.code = 0", 0, ""),
        ("end.code = 3; raise SystemExit(3)", 3, ""),
        ("raise ZeroDivisionError", 1, "ZeroDivisionError"),
    ],
)
def test_a_process_ends_after_its_exit_functions_and_before_the_interpreter(last: str, code: int, errors: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM + last], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, "an exit function\n")
    assert ended.stderr.strip().endswith(errors)
