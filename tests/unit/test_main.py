"""The package as a whole: its public names, and ways to call its command."""

import os
import subprocess
import sys
from pathlib import Path

import pipeline
from tests.recorded_studies import asha_study


def test_the_package_shows_its_public_names() -> None:
    assert dir(pipeline) == sorted(pipeline.__all__)
    assert all(hasattr(pipeline, name) for name in dir(pipeline))


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
    assert wrong.stderr.startswith("tunepipe: No such command 'nonsense'.")


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
