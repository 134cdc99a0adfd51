"""The package as a whole: its public names, and ways to call its command."""

import subprocess
import sys
from pathlib import Path

import pytest

import pipeline
from tests.command import tunepipe
from tests.recorded_studies import asha_study


def test_the_package_shows_its_public_names() -> None:
    assert dir(pipeline) == sorted(pipeline.__all__)
    assert all(hasattr(pipeline, name) for name in dir(pipeline))


def test_the_package_is_the_command() -> None:
    wrong = subprocess.run([sys.executable, "-m", "pipeline", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.startswith("tunepipe: No such command 'nonsense'.")


def test_the_environment_names_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asha_study(tmp_path / "elsewhere", trials=3, name="one")
    monkeypatch.setenv("TUNEPIPE_STORAGE", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    for words in (["studies"], ["results", "one"], ["stop", "one"], ["explain", "one"]):
        done = tunepipe(*words)
        assert done.code == 0, done.errors
        assert "one" in done.output
    assert tunepipe("results", "one", "--storage", "studies").code == 2
    assert tunepipe("delete", "one", "--yes").code == 0
    assert list((tmp_path / "elsewhere").iterdir()) == []
    assert not (tmp_path / "studies").exists()
