"""Every file of a study cut short, changed or replaced gives a message or a result; never a traceback."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.errors import StorageError
from pipeline.storage.schema import read_parquet
from tests.cases import cases
from tests.command import CommandResult, continued, tunepipe

FILES = (
    "study.json", "sessions/0001.json", "epochs/all-0001.parquet", "decisions/all-0001.parquet", "trials.parquet",
    "checkpoints/0003/000004.ckpt", "source/hostile_job.py", "logs/0000.log",
)  # fmt: skip
PICKLE = b"cbuiltins\nexec\n(S'raise SystemExit(77)'\ntR."
"""A process that unpickles it exits with 77."""


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return bytes(sink.getvalue())


WAYS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut short": lambda content: content[: len(content) // 2],
    "zeros": lambda content: bytes(len(content)),
    "a pickle": lambda _: PICKLE,
    "text": lambda _: "ö\x1b[2J\u202e".encode(),
    "not UTF-8": lambda _: b"\xff\xfe\x00\xd8",
    "JSON": lambda _: b'{"number": 1, "state": [], "x": {}}',
    "Parquet": lambda _: _parquet(pa.table({"trial_id": [1.5, None], "epoch": ["x", "y"], "odd": [[1], []]})),
}


def _read(storage: Path) -> CommandResult:
    """Run the commands that read a study; each gives a result or a message."""
    for words in (["logs", "small", "--trial", "0"], ["results", "small", "--json"]):
        printed = tunepipe(*words, "--storage", str(storage))
        assert printed.code in (0, 2, 3), printed
        assert printed.code == 0 or printed.errors.startswith("tunepipe: "), printed
        assert "\x1b" not in printed.errors
    return printed


@pytest.mark.parametrize(
    "case",
    cases(
        [(file, way) for file in FILES for way in WAYS],
        [(file, "JSON") for file in ("study.json", "sessions/0001.json", "epochs/all-0001.parquet", FILES[5])],
    ),
)
def test_a_file_that_is_something_else_is_named_or_not_needed(case: tuple[str, str], storage: Path) -> None:
    file, way = case
    path = storage / "small" / file
    path.write_bytes(WAYS[way](path.read_bytes()))
    read = _read(storage)
    if read.code:
        assert file.partition("/")[0] in read.errors
    continued(storage / "small")


def test_a_flipped_bit_in_a_table_is_found(storage: Path) -> None:
    path = storage / "small/epochs/all-0001.parquet"
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


def _session(storage: Path, place: str, value: object, *, of: str = "session") -> None:
    """Set a value in the session's file, or in its state of the first trial."""
    path = storage / "small/sessions/0001.json"
    whole = json.loads(path.read_text())
    (whole["resume"]["trials"][0] if of == "trial" else whole)[place] = value
    path.write_text(json.dumps(whole))
    os.utime(path, (0, 0))


VALUES: list[tuple[str, Any]] = [
    ("number", "x"), ("number", 0), ("number", 2**70), ("state", "nope"), ("state", "running"), ("state", []),
    ("started", "yesterday"), ("heartbeat", {}), ("seconds", -1), ("seconds", 1e308), ("host", 3), ("pid", 2**70),
    ("message", [3]), ("resume", 3), ("resume", {"trials": [{}], "scheduler": {}}),
    ("tables", {"epochs": {"parts": {"1": 7}}}),
]  # fmt: skip


@pytest.mark.parametrize("change", cases(VALUES, VALUES[::8]))
def test_a_session_file_with_other_values_is_used_or_reported(change: tuple[str, Any], storage: Path) -> None:
    _session(storage, *change)
    _read(storage)
    continued(storage / "small")


@pytest.mark.parametrize(
    ("place", "value"),
    [("trial_id", "../../x"), ("config", "x"), ("state", "nope"), ("epoch", -5), ("checkpoints", ["x"])],
)
def test_a_trial_state_with_other_values_is_validated(place: str, value: object, storage: Path) -> None:
    _session(storage, place, value, of="trial")
    error = continued(storage / "small")
    assert isinstance(error, StorageError)
    assert "cannot be resumed from the state of its trials in sessions/0001.json" in str(error)
    assert "\n" not in str(error)
