"""What a shell offers for the word at the cursor."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.cli.options import job_names
from tests.unit.results.studies import asha_study


def _offered(words: str, folder: Path, **environment: str) -> list[str]:
    """What bash would be offered for the last of some words, in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline"],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": str(Path.cwd()),
            "_TUNEPIPE_COMPLETE": "complete_bash",
            "COMP_WORDS": f"tunepipe {words}",
            "COMP_CWORD": str(len(words.split(" "))),
            **environment,
        },
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a storage `studies` of two studies, another storage, and a job file."""
    folder = tmp_path_factory.mktemp("completion")
    for name in ("one", "only", "two"):
        asha_study(folder / "studies", trials=2, name=name)
    asha_study(folder / "other", trials=2, name="elsewhere")
    (folder / "my_job.py").touch()
    (folder / "notes.txt").touch()
    return folder


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("resu", ["resume", "results"]),
        ("results on", ["one", "only"]),
        ("results one on", ["only"]),
        pytest.param("delete elsew", [], marks=pytest.mark.long),
        pytest.param("delete --storage other elsew", ["elsewhere"], marks=pytest.mark.long),
        ("logs tw", ["two"]),
        pytest.param("stop tw", ["two"], marks=pytest.mark.long),
        pytest.param("sql tw", ["two"], marks=pytest.mark.long),
        pytest.param("compare one tw", ["two"], marks=pytest.mark.long),
        ("results --storage nope://x o", []),
        ("results ./st", ["./studies/"]),
        ("run digits-q", ["digits-quick"]),
        ("run my_", ["my_job.py"]),
        pytest.param("check ./m", ["./my_job.py"], marks=pytest.mark.long),
        pytest.param("run /nowhere/", [], marks=pytest.mark.long),
        ("run beale --scheduler pro", ["promoting-asha", "promoting-moasha"]),
        pytest.param("check beale --search c", ["cma", "curves"], marks=pytest.mark.long),
        ("results one --format ", ["table", "csv", "json", "markdown", "parquet"]),
    ],
)
def test_words_that_fit_are_offered(words: str, offered: list[str], folder: Path) -> None:
    """Completion offers matching commands, studies, jobs, job files and folders, and nothing where none match."""
    assert _offered(words, folder) == offered


def test_the_storage_may_come_from_the_environment(folder: Path) -> None:
    """Completion finds studies in the storage that TUNEPIPE_STORAGE names."""
    assert _offered("results elsew", folder, TUNEPIPE_STORAGE="other") == ["elsewhere"]


@pytest.mark.parametrize("word", ["\0", "~nobody-of-that-name/", "a/../../", "\udcff", "/" * 300, "x" * 5000])
def test_no_word_is_an_error(word: str) -> None:
    """Completion of an invalid word, such as one with a null byte, returns a list and raises no error."""
    assert isinstance(job_names(word), list)
