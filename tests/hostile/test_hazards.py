"""Entries in a study that are not its own, or lead out of it, under every command that reads, writes or deletes.

However they got there: no byte of them is lost or changed, no link is followed out or replaced, nothing is written
beside the study, and it is not deleted.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.engine.trial import Trial
from pipeline.errors import StorageError
from pipeline.execution.commands import check_deletable
from pipeline.execution.driver.prune import Pruner
from pipeline.schedulers import SchedulerContext
from pipeline.storage import Store
from pipeline.study import load_study
from pipeline.study.files import contents
from tests.cases import cases
from tests.command import tunepipe

pytestmark = pytest.mark.usefixtures("no_pictures")

COMMANDS = (
    ["studies"],
    ["results", "small"],
    ["explain", "small"],
    ["sql", "small", "select * from epochs"],
    ["logs", "small", "--trial", "0"],
    ["report", "small"],
    ["export", "small", "--log", "tensorboard=board"],
    ["stop", "small", "--trial", "0"],
    ["stop", "small"],
    ["resume", "small", "--trials", "6", "--workers", "0", "--take-over"],
    ["run", "JOB", "--workers", "0", "--resume", "--trials", "7"],
    ["delete", "small", "--yes"],
)


def _link(place: str, target: str) -> Callable[[Path, Path], list[Path]]:
    """Put a link in the place of a file or folder, which is moved away."""

    def plant(study: Path, outside: Path) -> list[Path]:
        path = study / place
        if os.path.lexists(path):
            path.rename(outside / f"moved-{path.name}")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(study / target if target.startswith("sessions") else outside / target)
        return [path]

    return plant


def _file(place: str) -> Callable[[Path, Path], list[Path]]:
    def plant(study: Path, _: Path) -> list[Path]:
        (study / place).parent.mkdir(parents=True, exist_ok=True)
        (study / place).write_text("somebody's")
        return [study / place]

    return plant


def _pipe(study: Path, _: Path) -> list[Path]:
    os.mkfifo(study / "epochs/part.parquet")
    return [study / "epochs/part.parquet"]


def _pipe_as_study(study: Path, outside: Path) -> list[Path]:
    (study / "study.json").rename(outside / "moved")
    os.mkfifo(study / "study.json")
    return [study / "study.json"]


def _ring(study: Path, _: Path) -> list[Path]:
    (study / "epochs/round").symlink_to(study)
    (study / "source/self").symlink_to("self")
    return [study / "epochs/round", study / "source/self"]


def _whole_study(study: Path, outside: Path) -> list[Path]:
    study.rename(outside / "study")
    study.symlink_to(outside / "study")
    return [study]


def _folder(study: Path, _: Path) -> list[Path]:
    (study / "mine/empty").mkdir(parents=True)
    return [study / "mine/empty"]


HAZARDS: dict[str, Callable[[Path, Path], list[Path]]] = {
    "checkpoints are a link": _link("checkpoints", "folder"), "epochs are a link": _link("epochs", "folder"),
    "sessions are a link": _link("sessions", "folder"), "the sources are a link": _link("source", "folder"),
    "the files are a link": _link("files", "folder"), "the logs are a link": _link("logs", "folder"),
    "study.json is a link": _link("study.json", "file"),
    "a table is a link": _link("epochs/all-0001.parquet", "file"),
    "the session is a link": _link("sessions/0001.json", "file"),
    "the report is a link": _link("report.html", "file"),
    "the next session is a link": _link("sessions/0002.json", "file"),
    "a link that leads nowhere": _link("trials.parquet", "nothing"),
    "a link within the study": _link("export", "sessions"),
    "a link among the parts": _link("epochs/x.parquet", "/etc/passwd"), "a ring of links": _ring,
    "the study is a link": _whole_study, "a file": _file("notes.txt"),
    "a file like a checkpoint": _file("checkpoints/0000/000001.ckpt.part"),
    "a file like a source": _file("source/mine.py"),
    "a file like an unfinished one": _file(".writing-notes.txt-0a1b2c3d"),
    "a file with an odd name": _file("export/-rf\n\x1b[2J"), "a hidden file": _file("source/.git/.hidden.py"),
    "a folder": _folder, "a pipe": _pipe, "a pipe as study.json": _pipe_as_study,
}  # fmt: skip
_PAIRS = {f"{' '.join(words)}: {hazard}": (words, hazard) for words in COMMANDS for hazard in HAZARDS}
_OFTEN = {f"{' '.join(COMMANDS[place % len(COMMANDS)])}: {hazard}" for place, hazard in enumerate(HAZARDS)}


def _state(path: Path) -> tuple[str, bytes | str]:
    """The state of an entry itself: a file's content, or a link's target."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", os.fspath(path.readlink())
    return ("file", path.read_bytes()) if stat.S_ISREG(mode) else (oct(stat.S_IFMT(mode)), b"")


def _below(folder: Path) -> dict[Path, tuple[str, bytes | str]]:
    return {path: _state(path) for path in sorted(folder.rglob("*"))}


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder next to the storage with files that look like a study's."""
    folder = tmp_path / "outside"
    for name in ("folder/0000/000001.ckpt", "folder/part-0001-000001.parquet", "folder/0000.log", "folder/0001.json"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("somebody's")
    (folder / "file").write_text("somebody's")
    (folder / "folder/empty").mkdir()
    return folder


@pytest.mark.parametrize("pair", cases(_PAIRS, _OFTEN))
def test_no_command_follows_changes_or_deletes_what_is_not_the_studys(
    pair: str, storage: Path, outside: Path, job_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, hazard = _PAIRS[pair]
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    planted = {path: _state(path) for path in HAZARDS[hazard](storage / "small", outside)}
    # A study on another disk is the user's choice: it is used there.
    before = None if hazard == "the study is a link" else _below(outside)
    said = tunepipe(*(str(job_file) if word == "JOB" else word for word in words), "--storage", str(storage))
    assert said.code in ((2,) if words[0] == "delete" else (0, 2, 3)), said
    assert "somebody's" not in said.output
    assert "\x1b" not in said.errors
    assert {path: _state(path) for path in planted} == planted
    assert before is None or _below(outside) == before
    assert [path.name for path in storage.iterdir()] == ["small"]


PLACES = ("", "checkpoints/0000", "commands", "decisions", "export/deep/er", "files/mine", "sessions", "source/package")
NAMES = (
    "notes.txt", "study.json~", "1.json", "all-0001.parquet.bak", "mine.py", "000001.ckpt.part", "driver.log~",
    "x" * 200,
)  # fmt: skip


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_one_untracked_entry_is_enough_to_refuse_a_deletion(make: Callable[[Path], object], storage: Path) -> None:
    study = Store(storage / "small")
    for place in PLACES:
        folder = storage / "small" / place
        new = [above for above in (folder, *folder.parents) if not above.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder / name for name in NAMES):
            make(path)
            if not (make == Path.mkdir and place.startswith("source")):
                with pytest.raises(StorageError, match="not the study's"):
                    check_deletable(study)
            path.rmdir() if make == Path.mkdir else path.unlink()
        for above in new:
            above.rmdir()
    assert contents(study).untracked == []


@pytest.mark.long
def test_a_study_of_its_own_files_is_deleted_completely(storage: Path, job_file: Path, tmp_path: Path) -> None:
    (storage / "beside.txt").write_text("mine")
    for words in COMMANDS:
        words = [str(job_file) if word == "JOB" else word for word in words]
        words = [word.replace("=board", f"={tmp_path / 'board'}") for word in words]
        said = tunepipe(*words, "--storage", str(storage))
        assert said.code == 0, (words, said)
    assert [path.name for path in storage.iterdir()] == ["beside.txt"]


def test_the_pruner_deletes_within_the_study(storage: Path, outside: Path) -> None:
    study, before = storage / "small", _below(outside)
    (study / "checkpoints/0000").rename(storage / "aside")
    (study / "checkpoints/0000").symlink_to(outside / "folder/0000")
    job = load_study(Store(study)).replaced({"checkpoints.top": 1})
    scheduler = job.scheduler.build(SchedulerContext(space=job.space, mode="min", epochs=4, trials=4, seed=0))
    trials = {
        f"{n:04d}": Trial(f"{n:04d}", {}, state="failed", epoch=9, checkpoints={4} if n else set()) for n in range(4)
    }
    pruner = Pruner(Store(study), job, scheduler, trials, lambda: None)
    pruner.prune(trials)
    trials["0000"].checkpoints = {1, 2}
    with pytest.raises(StorageError, match="is a link to"):
        pruner.prune(trials)
    assert _below(outside) == before
    assert not (study / "checkpoints/0001/000004.ckpt").exists()


OUTPUTS = {
    "export": ["export", "small", "--to", "{}"],
    "tensorboard": ["export", "small", "--log", "tensorboard={}/boards"],
    "mlflow's database": ["export", "small", "--log", "mlflow=sqlite:///{}/mlflow.db"],
    "run": ["run", "JOB", "--workers", "0", "--storage", "{}"],
}


@pytest.mark.parametrize("command", cases(OUTPUTS, ("export", "tensorboard", "run")))
def test_no_output_is_written_into_a_study(command: str, storage: Path, job_file: Path) -> None:
    before = _below(storage)
    words = [str(job_file) if word == "JOB" else word.format(storage / "small") for word in OUTPUTS[command]]
    said = tunepipe(*words, *([] if "--storage" in words else ["--storage", str(storage)]))
    assert said.code == 2, said
    assert "is within the study" in said.errors, said
    assert _below(storage) == before
