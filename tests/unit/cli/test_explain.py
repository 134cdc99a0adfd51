"""`tunepipe explain`: JSON for scripts, sentences for users."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.results.studies import asha_study

PROGRAM = """
import sys
from pipeline.cli.app import start
try:
    start()
finally:
    print(sorted({"matplotlib", "pandas", "ray", "tensorflow"} & sys.modules.keys()), file=sys.stderr)
"""


@pytest.mark.parametrize("options", [["--json"], []])
def test_explain_loads_no_library_that_draws_or_trains(tmp_path: Path, options: list[str]) -> None:
    name = asha_study(tmp_path).job.name
    words = ["explain", name, "--storage", str(tmp_path), *options]
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words], capture_output=True, text=True, timeout=200, check=False
    )
    assert (ended.returncode, ended.stderr.splitlines()[-1]) == (0, "[]")
    assert name in ended.stdout
    if options:
        assert json.loads(ended.stdout)["study"] == name
