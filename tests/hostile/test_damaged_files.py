"""Every file of a study cut short, changed or replaced gives a message or a result; never a traceback."""

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import DamagedFile, StorageError
from pipeline.storage import unpack
from pipeline.storage.parquet import read_parquet
from tests.cases import cases
from tests.hostile.command import CommandResult, continued, tunepipe

FILES = (
    "study.json",
    "sessions/0001.json",
    "epochs/all-0001.parquet",
    "decisions/all-0001.parquet",
    "trials.parquet",
    "checkpoints/0003/000004.ckpt",
    "source/hostile_job.py",
    "logs/0000.log",
)
PICKLE = b"cbuiltins\nexec\n(S'raise SystemExit(77)'\ntR."
"""A process that unpickles it exits with 77."""


def _cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def _swapped(content: bytes) -> bytes:
    half = len(content) // 2
    return content[half:] + content[:half]


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": _cut,
    "halves swapped": _swapped,
    "zeros": lambda content: bytes(len(content)),
    "a pickle": lambda _: PICKLE,
    "a PNG": lambda _: b"\x89PNG\r\n\x1a\n" + bytes(100),
    "text": lambda _: "ö\x1b[2J\u202e".encode(),
    "not UTF-8": lambda _: b"\xff\xfe\x00\xd8",
    "JSON": lambda _: b'{"number": 1, "state": [], "x": {}}',
    "Parquet": lambda _: _parquet(pa.table({"trial_id": [1.5, None], "epoch": ["x", "y"], "odd": [[1], []]})),
    "Parquet without columns": lambda _: _parquet(pa.table({})),
}


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


def _reported(printed: CommandResult) -> None:
    assert printed.code in (0, 2, 3), printed
    assert printed.code == 0 or printed.errors.startswith("tunepipe: "), printed
    assert "\x1b" not in printed.errors


def _read(storage: Path) -> list[CommandResult]:
    """Run the commands that read a study without writing to it."""
    calls = (["results", "small", "--json"], ["results", "small"], ["logs", "small", "--trial", "0"])
    printed = [tunepipe(*words, "--storage", str(storage)) for words in calls]
    for each in printed:
        _reported(each)
    return printed


@pytest.mark.parametrize("way", cases(WAYS, ("cut short", "JSON")))
@pytest.mark.parametrize("file", FILES)
def test_a_file_that_is_something_else(file: str, way: str, storage: Path) -> None:
    """Each command reads the intact rest of the study, or names the file that it cannot use."""
    path = storage / "small" / file
    path.write_bytes(WAYS[way](path.read_bytes()))
    # The file of a session that is not old might be that of a driver that runs, and would be watched for a minute.
    os.utime(path, (0, 0))
    first, *_ = _read(storage)
    if first.code:
        assert file in first.errors or path.parent.name in first.errors
    continued(storage / "small")


@pytest.mark.parametrize("file", FILES)
def test_bits_that_flipped(file: str, storage: Path) -> None:
    """A few flipped bits in any file give the result of the intact file, or a message."""
    path = storage / "small" / file
    whole, rng = path.read_bytes(), random.Random(7)
    for _ in range(15):
        content = bytearray(whole)
        for _ in range(rng.randint(1, 3)):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
        path.write_bytes(content)
        _reported(tunepipe("results", "small", "--json", "--storage", str(storage)))
        if file.endswith(".ckpt"):
            with pytest.raises(DamagedFile):
                unpack(bytes(content), path.name)
    continued(storage / "small")


def test_a_flipped_bit_in_a_table_is_found(storage: Path) -> None:
    """A changed byte in a table is found by its checksum, so that no wrong result is shown."""
    path = storage / "small" / "epochs" / "all-0001.parquet"
    whole, schema = path.read_bytes(), pq.read_schema(path)
    chunk = pq.ParquetFile(path).metadata.row_group(0).column(schema.get_field_index("distance"))
    start = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)))
    expected, found = pq.read_table(path), 0
    for place in range(start, start + chunk.total_compressed_size):
        content = bytearray(whole)
        content[place] ^= 16
        try:
            assert read_parquet(bytes(content), "it").equals(expected), place
        except StorageError:
            found += 1
    assert found > chunk.total_compressed_size // 2


@pytest.mark.parametrize("pair", [("epochs", "decisions"), ("decisions", "epochs")])
def test_tables_that_changed_places(pair: tuple[str, str], storage: Path) -> None:
    """A part of one table in the folder of another is not read as its row."""
    one, other = (storage / "small" / table for table in pair)
    (one / "all-0001.parquet").rename(other / "part.parquet")
    _read(storage)
    _reported(tunepipe("report", "small", "--storage", str(storage)))


_PLACES: dict[str, Any] = {
    "number": ["x", 0, -1, 1.5, None, 2**70, True],
    "state": ["nope", 3, None, [], "running"],
    "started": ["yesterday", 3, None],
    "heartbeat": ["yesterday", 3, {}],
    "seconds": ["x", -1, 1e308, None, []],
    "host": [3, None],
    "pid": ["x", -1, 2**70, 1.5],
    "process_started": ["x"],
    "message": [3],
    "resume": [3, [], {}, {"trials": []}, {"trials": [{}], "scheduler": {}}, {"trials": 3, "scheduler": 3}],
}


@pytest.mark.parametrize("place", _PLACES)
def test_a_session_file_with_other_values_is_reported(place: str, storage: Path, fuzz_size: int) -> None:
    """A value that no driver writes is reported with the file's name by readers and by a resume."""
    path = storage / "small" / "sessions" / "0001.json"
    whole = json.loads(path.read_text())
    for value in _PLACES[place][:fuzz_size]:
        path.write_text(json.dumps({**whole, place: value}))
        _read(storage)
        continued(storage / "small")
        path.with_name("0002.json").unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("trial_id", "../../x"),
        ("trial_id", 3),
        ("config", "x"),
        ("state", "nope"),
        ("epoch", "x"),
        ("epoch", -5),
        ("best", "x"),
        ("checkpoints", ["x"]),
        ("checkpoints", None),
        ("odd", 1),
    ],
)
def test_a_trial_state_with_other_values_is_validated(place: str, value: object, storage: Path) -> None:
    """The stored state of a trial is validated before the study continues from it."""
    path = storage / "small" / "sessions" / "0001.json"
    whole = json.loads(path.read_text())
    whole["resume"]["trials"][0][place] = value
    path.write_text(json.dumps(whole))
    error = continued(storage / "small")
    assert isinstance(error, StorageError)
    assert "cannot be resumed from the state of its trials in sessions/0001.json" in str(error)


def test_a_winner_file_with_other_values_is_reported(storage: Path) -> None:
    """Invalid values in the winner's file are reported, or ignored if the file is of another trial."""
    path = storage / "small" / "export" / "winner.json"
    path.parent.mkdir()
    best = json.loads(tunepipe("results", "small", "--json", "--storage", str(storage)).output)["best"]
    reported = {"trial_id": best["trial_id"], "epoch": best["epoch"], "config": best["config"]}
    for metrics in ({"test": 0.5}, {"test": None}, {"test": "x"}, {"\x1b[2J": 1.0}, 3, {"test": 10**400}, None):
        path.write_text(json.dumps({**reported, "metrics": metrics}))
        _read(storage)
    for content in (b"", b"\xff", b"[]", b"3", b"{}", PICKLE, b"[" * 100_000, b'{"trial_id": NaN}'):
        path.write_bytes(content)
        _read(storage)
