"""The package as a whole: its public names, and ways to call its command."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import pipeline
from pipeline.execution.run import run
from pipeline.study import TuneJob
from pipeline.study.studies import default_storage
from tests.unit.results.studies import asha_study


def test_the_package_shows_its_public_names() -> None:
    assert dir(pipeline) == sorted(pipeline.__all__)
    assert all(hasattr(pipeline, name) for name in dir(pipeline))


def test_the_package_has_its_version() -> None:
    assert pipeline.__version__ == version("tunepipe")


def _called(folder: Path, *words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **environment},
        capture_output=True,
        text=True,
    )


def test_the_package_is_the_command(tmp_path: Path) -> None:
    assert _called(tmp_path, "--version").stdout.startswith("tunepipe ")
    wrong = _called(tmp_path, "nonsense")
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("tunepipe: There is no command 'nonsense'.")


def test_the_environment_names_the_storage(tmp_path: Path) -> None:
    asha_study(tmp_path / "elsewhere", trials=3, name="one")
    storage = {"TUNEPIPE_STORAGE": str(tmp_path / "elsewhere")}
    for words in (["studies"], ["results", "one"], ["stop", "one"], ["explain", "one"]):
        done = _called(tmp_path, *words, **storage)
        assert done.returncode == 0, done.stderr
        assert "one" in done.stdout
    assert _called(tmp_path, "results", "one", "--storage", "studies", **storage).returncode == 2
    assert _called(tmp_path, "delete", "one", "--yes", **storage).returncode == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "studies").exists()


def test_the_environment_names_the_storage_of_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TUNEPIPE_STORAGE", "elsewhere")

    def climb(config):
        yield {"score": 1.0}

    job = TuneJob(
        name="s",
        function=climb,
        space={"x": 1},
        objectives=[pipeline.Objective("score", "max")],
        resources={"workers": 0},
        budget={"epochs": 1},
        scheduler="fifo",
    )
    assert run(job).store.uri == f"{tmp_path}/elsewhere/s"
    monkeypatch.setenv("TUNEPIPE_STORAGE", "")
    assert default_storage() == "studies"
