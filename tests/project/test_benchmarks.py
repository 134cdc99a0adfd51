"""The benchmarks still run."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def _quick(name: str, folder: Path) -> list[dict[str, Any]]:
    """The figures of a benchmark's smoke test."""
    to = folder / "benchmarks.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", name, "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: list[dict[str, Any]] = json.loads(to.read_text())["figures"]
    return figures


@pytest.mark.long
def test_the_benchmark_of_pipelines_works(tmp_path: Path) -> None:
    """The smoke test of the pipelines benchmark measures each kind beside fit, and four trials that share a cache."""
    figures = _quick("pipelines", tmp_path)
    assert [figure["bar"] for figure in figures] == ["at most 1"] * 4 + ["at most 1.5"]
    assert all(figure["ours"] > 0 and figure["beside"] > 0 for figure in figures)


@pytest.mark.long
def test_the_benchmark_of_scale_works(tmp_path: Path) -> None:
    """The smoke test of the scale benchmark measures each figure on Ray, on an object store and without workers."""
    figures = _quick("scale", tmp_path)
    assert len(figures) == 9
    (requests,) = [figure for figure in figures if figure["what"].startswith("S3")]
    assert requests["ours"] <= 6
