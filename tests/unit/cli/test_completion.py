"""What a shell offers for the word at the cursor."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipeline.cli.options import format_names, job_names, scheduler_names, searcher_names, studies_and_paths
from tests.unit.results.studies import asha_study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a storage `studies` of two studies, another storage, and a job file."""
    folder = tmp_path_factory.mktemp("completion")
    for place in ("studies/one", "studies/only", "studies/two", "other/elsewhere"):
        root, name = place.split("/")
        asha_study(folder / root, trials=2, name=name)
    (folder / "my_job.py").touch()
    (folder / "notes.txt").touch()
    return folder


def test_a_shell_asks_the_command(folder: Path) -> None:
    words = {"_TUNEPIPE_COMPLETE": "complete_bash", "COMP_WORDS": "tunepipe results one on", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path.cwd()), **words},
    )  # fmt: skip
    assert (done.stdout.split(), done.stderr) == (["only"], "")


@pytest.mark.parametrize(
    ("given", "word", "offered"),
    [
        ({}, "on", ["one", "only"]),
        ({"studies": ["one"]}, "on", ["only"]),
        ({}, "elsew", []),
        ({"storage": "other"}, "elsew", ["elsewhere"]),
        ({"storage": "nope://x"}, "o", []),
        ({}, "./st", ["./studies/"]),
    ],
)
def test_studies_are_offered(
    given: dict[str, Any], word: str, offered: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    context: Any = SimpleNamespace(params=given)
    assert studies_and_paths(context, word) == offered
    if "storage" in given:
        monkeypatch.setenv("TUNEPIPE_STORAGE", given["storage"])
        context.params = {}
        assert studies_and_paths(context, word) == offered


def test_jobs_files_and_names_are_offered(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    offered = {word: job_names(word) for word in ("digits-q", "my_", "./m", "/nowhere/")}
    assert offered == {"digits-q": ["digits-quick"], "my_": ["my_job.py"], "./m": ["./my_job.py"], "/nowhere/": []}
    assert scheduler_names("pro") == ["promoting-asha", "promoting-moasha"]
    assert searcher_names("c") == ["cma", "curves"]
    assert format_names("") == ["table", "csv", "json", "markdown", "parquet"]


@pytest.mark.parametrize("word", ["\0", "~nobody-of-that-name/", "a/../../", "\udcff", "/" * 300, "x" * 5000])
def test_no_word_is_an_error(word: str) -> None:
    assert isinstance(job_names(word), list)
