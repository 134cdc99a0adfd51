"""The benchmarks still run."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.benchmarks.scale import workers_that_fit
from tests.browser import BROWSER


def _quick(name: str, folder: Path) -> list[dict[str, Any]]:
    """The figures of a benchmark's smoke test."""
    to = folder / "benchmarks.json"
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", name, "--to", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures: list[dict[str, Any]] = json.loads(to.read_text())["figures"]
    return figures


@pytest.mark.long
def test_the_benchmark_of_pipelines_works(tmp_path: Path) -> None:
    """The benchmark of pipelines compares each kind with fit, and measures four trials that share a cache."""
    figures = _quick("pipelines", tmp_path)
    assert [figure["bar"] for figure in figures] == ["at most 1"] * 4 + ["at most 1.5"]
    assert all(figure["ours"] > 0 and figure["reference"] > 0 for figure in figures)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_benchmark_of_scale_works(tmp_path: Path) -> None:
    """The smoke test of the scale benchmark measures each figure on Ray, on an object store and without workers."""
    figures = _quick("scale", tmp_path)
    assert len(figures) == 13
    assert sum(figure["what"].startswith("S3") for figure in figures) == 1


@pytest.mark.parametrize(("gigabytes", "workers"), [(2, [4, 10]), (8, [4, 42]), (32, [4, 48, 170]), (64, [4, 48, 200])])
def test_the_benchmark_of_scale_starts_workers_that_fit(
    gigabytes: int, workers: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The numbers of workers of the scale benchmark ascend, and no number is larger than fits into memory."""
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(total=gigabytes * 1e9))
    assert workers_that_fit(4, 48, 200) == workers


@pytest.mark.long
@pytest.mark.parametrize("name", ["epoch", "startup", "memory", "throughput", "reading", "page"])
def test_the_smaller_benchmarks_work(name: str, tmp_path: Path) -> None:
    """The smoke test of each of the other benchmarks measures both sides of every figure."""
    if name == "page" and BROWSER is None:
        pytest.skip("no Chromium on PATH: the benchmark of the page measures nothing")
    figures = _quick(name, tmp_path)
    assert figures
    assert all(figure["ours"] > 0 and figure["reference"] > 0 for figure in figures)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_benchmark_of_the_search_works(tmp_path: Path) -> None:
    """The smoke test of the search compares tunepipe with five other searches, and with a bare start."""
    if find_spec("keras_tuner") is None:
        pytest.skip("KerasTuner is not installed: `make bench` installs it")
    figures = _quick("search", tmp_path)
    assert [figure["bar"] for figure in figures] == ["at least 15", "at least 5", *["at least 4"] * 3, "at most 1.8"]
    assert all(figure["ours"] > 0 and figure["reference"] > 0 for figure in figures)
