"""Untracked files, folders and links in a study, under every command that deletes or writes.

However they got there: no byte of them is lost or changed, no link is followed or replaced, and nothing is written
beside the study.
"""

import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import StorageError
from pipeline.execution.commands import check_deletable
from pipeline.storage import Store
from pipeline.study.contents import contents
from tests.hostile.command import tunepipe

EXAMPLES = 1
"""Studies that each command is tried on, times the size of the fuzzers; deleting on four times as many."""

COMMANDS = {
    "delete": ["delete", "small", "--yes"],
    "resume": ["resume", "small", "--trials", "5", "--workers", "0"],
    "take over": ["resume", "small", "--trials", "5", "--workers", "0", "--take-over"],
    "run": ["run", "JOB", "--workers", "0"],
    "run on": ["run", "JOB", "--workers", "0", "--resume", "--trials", "5"],
    "run by mistake": ["run", "JOB", "--workers", "0", "--set", "objectives.0.metric=nope"],
    "rerun": ["rerun", "small", "0"],
    "report": ["report", "small"],
    "results": ["results", "small"],
    "one trial": ["results", "small", "--trial", "0"],
    "logs": ["logs", "small", "--trial", "0"],
    "export": ["export", "small", "--to", "exported"],
    "explain": ["explain", "small"],
    "compare": ["compare", "small", "small"],
    "sql": ["sql", "small", "select count(*) from epochs"],
    "stop": ["stop", "small"],
    "studies": ["studies"],
    "pause": ["pause", "small"],
    "enqueue": ["enqueue", "small", "rate=0.5"],
    "budget": ["budget", "small", "--trials", "9"],
    "stop a trial": ["stop", "small", "--trial", "0"],
    "tensorboard": ["export", "small", "--tensorboard", "board"],
}
PLACES = [
    "",
    "checkpoints",
    "checkpoints/0000",
    "checkpoints/mine",
    "commands",
    "decisions",
    "epochs",
    "export",
    "export/deep/er",
    "files",
    "files/mine",
    "logs",
    "mine",
    "sessions",
    "source",
    "source/.git",
    "source/package",
]
NAMES = [
    "notes.txt",
    "private_key",
    "thesis.docx",
    "study.json~",
    "STUDY.JSON",
    "0001.json.bak",
    "1.json",
    "all-0001.parquet.bak",
    "part-1.parquet",
    "mine.parquet",
    "mine.py",
    "1.ckpt",
    "000001.ckpt.part",
    "0000.log.1",
    "driver.log~",
    "model.keras.bak",
    ".writing-notes.txt-0a1b2c3d",
    ".writing-all-0001.parquet",
    ".DS_Store",
    ".hidden.py",
    "-rf",
    "new\nline\x1b[2J",
    "x" * 200,
]


def _state(path: Path) -> tuple[str, bytes | str]:
    """The state of an entry itself: a file's content, or a link's target."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return "link", os.fspath(path.readlink())
    return ("file", path.read_bytes()) if stat.S_ISREG(mode) else (oct(stat.S_IFMT(mode)), b"")


def _below(folder: Path, *, but: Path | None = None) -> dict[str, tuple[str, bytes | str]]:
    """All entries of a folder, except those below one of its own."""
    found = {}
    for place, folders, names in os.walk(folder):
        if but is not None and Path(place) == but.parent:
            folders[:] = [name for name in folders if name != but.name]
        for name in (*folders, *names):
            found[str(Path(place, name).relative_to(folder))] = _state(Path(place, name))
    return found


class Landscape:
    """A study with random untracked entries."""

    def __init__(self, storage: Path, outside: Path, rng: random.Random) -> None:
        self._study, self._outside, self._rng = storage / "small", outside, rng
        self._added: list[Path] = []
        # A link alone is enough to be refused: files have to be so by themselves. With no kind, the study is a link.
        self._kinds = rng.choice([["file"], ["file"], ["folder"], ["link"], ["file", "folder", "link", "pipe"], []])
        outside.mkdir()
        (outside / "folder").mkdir()
        (outside / "folder" / "0001.json").write_text("somebody's")
        (outside / "file").write_text("somebody's")
        begun = rng.choice(["whole", "whole", "whole", "nothing trained", "no study yet"])
        for entry in contents(Store(self._study)).own:
            trained = entry.path.partition("/")[0] in ("epochs", "decisions", "trials.parquet")
            if begun == "no study yet" or (begun == "nothing trained" and trained):
                (self._study / entry.path).unlink()
        for _ in range(rng.randint(1, 4) if self._kinds else 0):
            self._add()
        while self._kinds and not self._added:
            self._add()
        links = "link" in self._kinds
        self.moved = [self._move(number) for number in range(rng.choice([0, 1, 2]) if links else 0)]
        if not self._kinds or (links and rng.random() < 0.3):
            self._study.rename(outside / "study")
            self._study.symlink_to(outside / "study")
        # What was moved away with a folder is compared at its new path.
        found = [self._study / path for path in (*self._added, *self.moved)]
        self.untracked = {path: _state(path) for path in found if os.path.lexists(path) and self._reached(path)}

    def _reached(self, path: Path) -> bool:
        between = [self._study / step for step in path.relative_to(self._study).parents if step.parts]
        return not any(above.is_symlink() for above in between)

    def _add(self) -> None:
        """Add an entry that the layout does not name, or a link anywhere."""
        rng, kind = self._rng, self._rng.choice(self._kinds)
        place = rng.choice(PLACES)
        names = [rng.choice(NAMES), "0002.json", "000009.ckpt"] if kind == "link" else [rng.choice(NAMES)]
        path = self._study / place / rng.choice(names)
        if kind == "folder" and place.startswith("source"):
            # An empty package's folder could be the study's.
            return
        if os.path.lexists(path):
            path = path.with_name(f"{self._rng.randrange(10**9)} of mine")
        path.parent.mkdir(parents=True, exist_ok=True)
        if kind == "file":
            path.write_bytes(rng.randbytes(rng.randrange(200)))
        elif kind == "folder":
            path.mkdir()
        elif kind == "pipe":
            os.mkfifo(path)
        else:
            inside = [self._study / "study.json", self._study / "checkpoints", self._study, Path("nowhere")]
            path.symlink_to(rng.choice([self._outside / "folder", self._outside / "file", *inside]))
        self._added.append(path.relative_to(self._study))

    def _move(self, number: int) -> str:
        """Move a file of the study away, and replace it by a link."""
        own = [path for path in sorted(self._study.rglob("*")) if not path.is_symlink() and os.path.lexists(path)]
        path = self._rng.choice(own)
        path.rename(self._outside / f"moved-{number}")
        path.symlink_to(self._outside / f"moved-{number}")
        return str(path.relative_to(self._study))


@pytest.mark.parametrize("command", COMMANDS)
def test_untracked_files_are_neither_lost_nor_changed(
    command: str,
    finished: Path,
    job_file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fuzz_size: int,
) -> None:
    """No command changes an untracked file in a study, and deletion refuses while there is one."""
    _tried(
        command,
        finished,
        job_file,
        tmp_path,
        monkeypatch.chdir,
        count=EXAMPLES * fuzz_size * (4 if command == "delete" else 1),
    )


def _make(kind: str, path: Path, target: Path) -> None:
    if kind == "file":
        path.write_text("somebody's")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(target)


def test_one_untracked_entry_is_enough_to_refuse(storage: Path, tmp_path: Path, fuzz_size: int) -> None:
    """A single untracked file, link, folder or pipe of any name at any place makes a deletion refuse."""
    study, rng = Store(storage / "small"), random.Random(0)
    assert contents(study).untracked == []
    pairs = [(place, name) for place in PLACES for name in (*NAMES, "0002.json", "000009.ckpt")]
    untracked = [(place, name, "file") for place, name in pairs if name in NAMES]
    kinds = {"link": pairs, "pipe": untracked, "folder": [pair for pair in pairs if not pair[0].startswith("source")]}
    drawn = [(*rng.choice(kinds[kind])[:2], kind) for kind in kinds for _ in range(40 * fuzz_size)]
    for place, name, kind in [*untracked, *drawn]:
        folder = storage / "small" / place
        new = [above for above in (folder, *folder.parents) if not above.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if not os.path.lexists(path := folder / name):
            _make(kind, path, tmp_path)
            with pytest.raises(StorageError, match=r"not the study's"):
                check_deletable(study)
            path.rmdir() if kind == "folder" else path.unlink()
        for above in new:
            above.rmdir()
    assert contents(study).untracked == []


def _tried(
    command: str, finished: Path, job_file: Path, tmp_path: Path, chdir: Callable[[Path], None], *, count: int
) -> None:
    for number in range(count):
        rng = random.Random(f"{command} {number}")
        here = tmp_path / str(number)
        storage = Path(shutil.copytree(finished, here / "storage", symlinks=True))
        (here / "current").mkdir()
        chdir(here / "current")
        place = Landscape(storage, here / "outside", rng)
        linked = (storage / "small").is_symlink()
        outside = None if linked else _below(here / "outside")
        beside = _below(here, but=storage / "small")
        for words in (COMMANDS[command], COMMANDS["delete"]):
            words = [str(job_file) if word == "JOB" else word for word in words]
            before = _below(here)
            printed = tunepipe(*words, "--storage", str(storage))
            reported = (command, number, place.moved, printed)
            assert printed.code in (0, 2, 3), reported
            assert words != COMMANDS["delete"] or _below(here) == before, reported
            assert {path: _state(path) for path in place.untracked} == place.untracked, reported
            if not linked:
                assert _below(here / "outside") == outside, reported
                assert _below(here, but=storage / "small") == beside, reported
        assert printed.code == 2, reported
        assert "Nothing was deleted" in printed.errors or "contains no studies" in printed.errors or place.moved, (
            reported
        )
        shutil.rmtree(here)


@pytest.mark.long
def test_a_study_without_untracked_files_is_deleted_completely(
    finished: Path, job_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study without untracked files is deleted completely after any command."""
    (tmp_path / "current").mkdir()
    monkeypatch.chdir(tmp_path / "current")
    storage = Path(shutil.copytree(finished, tmp_path / "storage"))
    (storage / "beside.txt").write_text("mine")
    for command, words in COMMANDS.items():
        if command != "delete":
            tunepipe(*(str(job_file) if word == "JOB" else word for word in words), "--storage", str(storage))
    assert contents(Store(storage / "small")).untracked == []
    printed = tunepipe(*COMMANDS["delete"], "--storage", str(storage))
    assert printed.code == 0, printed
    assert [path.name for path in storage.iterdir()] == ["beside.txt"]
