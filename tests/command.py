"""The command line in this process: its output and its exit code."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from pipeline.api import run
from pipeline.cli.app import main
from pipeline.errors import TunepipeError
from pipeline.storage import Store
from pipeline.study import load_study


@dataclass(frozen=True)
class CommandResult:
    """The result of a call of the command."""

    code: int
    output: str
    errors: str


def tunepipe(*words: str, traceback: bool = False) -> CommandResult:
    """Call the command like a shell; a traceback fails the test."""
    streams = [io.TextIOWrapper(io.BytesIO(), "utf-8", errors) for errors in ("strict", "backslashreplace")]
    code: object = 0
    with patch.object(sys, "argv", ["tunepipe", *words]), redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    for stream in streams:
        stream.flush()
    output, errors = (stream.buffer.getvalue().decode(errors="surrogateescape") for stream in streams)
    assert traceback or "Traceback (most recent call last)" not in errors, errors
    return CommandResult(code if isinstance(code, int) else 0, output, errors)


def rows_of(printed: str, table: str) -> list[dict[str, Any]]:
    """The rows of one of the tables that a command with `--json` has printed."""
    (rows,) = [each["rows"] for each in json.loads(printed)["tables"] if each["name"] == table]
    return list(rows)


def continued(study: Path, trials: int = 5) -> TunepipeError | None:
    """Continue a study as `tunepipe resume --workers 0` does, without the leaderboard and the page."""
    try:
        job = load_study(Store(study)).replaced({"budget.trials": trials, "resources.workers": 0, "name": study.name})
        run(job, storage=study.parent, resume=True, note=lambda _: None)
    except TunepipeError as error:
        return error
    return None
