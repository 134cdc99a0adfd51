"""The benchmarks still run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.long
def test_the_benchmark_of_scale_works(tmp_path: Path) -> None:
    """The smoke test of the scale benchmark measures each figure on Ray, on an object store and without workers."""
    to = tmp_path / "benchmarks.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "scale", "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(to.read_text())["figures"]
    assert len(figures) == 9
    (requests,) = [figure for figure in figures if figure["what"].startswith("S3")]
    assert requests["ours"] <= 6
