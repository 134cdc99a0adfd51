"""Commands with an output path within a study change nothing in it."""

import shutil
from pathlib import Path

import pytest

from tests.hostile.command import tunepipe

COMMANDS = {
    "results": ["results", "small", "--format", "csv", "--output", "{}/study.json"],
    "report": ["report", "small", "--output", "{}/checkpoints/0000/000002.ckpt"],
    "report through a link": ["report", "small", "--output", "{}/../link.html"],
    "sql": ["sql", "small", "select 1 as one", "--output", "{}/epochs/all-0001.parquet"],
    "compare": ["compare", "small", "other", "--output", "{}/compared.svg"],
    "export": ["export", "small", "--trial", "0", "--to", "{}"],
    "export of another trial": ["export", "small", "--trial", "0", "--to", "{}/export"],
    "tensorboard": ["export", "small", "--tensorboard", "{}/boards"],
    "mlflow": ["export", "small", "--mlflow", "{}/runs"],
    "mlflow's database": ["export", "small", "--mlflow", "sqlite:///{}/mlflow.db"],
    "run": ["run", "JOB", "--workers", "0", "--storage", "{}"],
}


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_writes_into_a_study(command: str, storage: Path, job_file: Path) -> None:
    """Each command refuses a path within a study, or a link to a study's file, in one sentence."""
    (storage / "link.html").symlink_to("small/study.json")
    shutil.copytree(storage / "small", storage / "other")
    before = _content(storage)
    words = [word.format(storage / "small") for word in COMMANDS[command]]
    words = [str(job_file) if word == "JOB" else word for word in words]
    said = tunepipe(*words, *([] if "--storage" in words else ["--storage", str(storage)]))
    assert said.code == 2, said
    assert "is within the study" in said.errors or "is a link to" in said.errors, said
    assert "Traceback" not in said.errors
    assert _content(storage) == before
