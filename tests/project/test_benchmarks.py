"""The benchmarks still run."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.browser import BROWSER


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", ["epoch", "pipelines", "startup", "search", "reading", "page", "scale", "answer"])
def test_the_smoke_test_of_a_benchmark_measures_both_sides_of_each_figure(name: str, tmp_path: Path) -> None:
    if name == "page" and BROWSER is None:
        pytest.skip("no Chromium on PATH: the benchmark of the page measures nothing")
    if name == "answer" and find_spec("keras_tuner") is None:
        pytest.skip("KerasTuner is not installed: `make bench` installs it")
    to = tmp_path / "benchmarks.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", name, "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(to.read_text())["figures"]
    assert figures
    # Differences between studies as small as those of the smoke test of scale are noise.
    assert name == "scale" or all(figure["ours"] > 0 and figure["reference"] > 0 for figure in figures)
