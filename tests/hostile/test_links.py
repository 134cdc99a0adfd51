"""Links within a study that lead out of it: nothing outside is read as its own, changed or deleted."""

import os
from pathlib import Path

import pytest

from pipeline.course.trial import Trial
from pipeline.errors import StorageError
from pipeline.execution.retention import Retention
from pipeline.schedulers import Setting
from pipeline.storage import Store
from pipeline.study import load_study
from tests.hostile.command import gone_on, tunepipe

PLACES = ["epochs", "decisions", "checkpoints", "sessions", "source", "logs", "export"]
FILES = ["study.json", "trials.parquet", "report.html", "epochs/all-0001.parquet", "sessions/0001.json"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the storage with files that look as if they were a study's."""
    folder = tmp_path / "outside"
    for name in ("0000/000001.ckpt", "0000/000002.ckpt", "part-0001-000001.parquet", "0000.log", "0002.json", "page"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not a study's")
    return folder


def _content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def _use(storage: Path) -> None:
    """Read a study in every way, and go on with it, which writes all of it; each ends well or in a message."""
    calls = (
        ["results", "small"],
        ["logs", "small", "--trial", "0"],
        ["export", "small", "--to", str(storage / "to")],
    )
    for said in (tunepipe(*words, "--storage", str(storage)) for words in calls):
        assert said.code in (0, 2), said
        assert "not a study's" not in said.output
    gone_on(storage / "small", trials=6)


@pytest.mark.parametrize("place", PLACES)
def test_a_folder_that_is_a_link(place: str, storage: Path, outside: Path) -> None:
    """A study's folder that lies elsewhere by a link is refused; what is there stays as it is."""
    folder = storage / "small" / place
    if folder.exists():
        folder.rename(storage / "aside")
    folder.symlink_to(outside)
    before = _content(outside)
    _use(storage)
    assert _content(outside) == before


@pytest.mark.parametrize("place", FILES)
def test_a_file_that_is_a_link(place: str, storage: Path, outside: Path) -> None:
    """A file that is a link is not read, and what it leads to is not written."""
    path = storage / "small" / place
    path.unlink(missing_ok=True)
    path.symlink_to(outside / "page")
    before = _content(outside)
    _use(storage)
    assert _content(outside) == before


def test_what_leads_out_is_told(storage: Path, outside: Path) -> None:
    """The message names the link's place within the study and where it leads."""
    (storage / "small" / "study.json").unlink()
    (storage / "small" / "study.json").symlink_to(outside / "page")
    said = tunepipe("results", "small", "--storage", str(storage))
    assert said.code == 2
    assert "The path 'study.json' leads out of the storage" in said.errors
    assert f"by a link to {outside}/page. Copy what is there into its place." in said.errors


def test_a_part_that_is_a_link_is_passed_over(storage: Path) -> None:
    """A link among the parts is none: the table is that of the study's own files, and stays so."""
    (storage / "small" / "epochs" / "x.parquet").symlink_to("/etc/passwd")
    assert tunepipe("results", "small", "--storage", str(storage)).output.startswith("small  finished")


def test_a_ring_of_links_has_an_end(storage: Path) -> None:
    """A link to a folder above is not walked through."""
    (storage / "small" / "epochs" / "round").symlink_to(storage / "small")
    (storage / "small" / "source" / "self").symlink_to("self")
    store = Store(storage / "small")
    assert len(store.files()) == sum(path.is_file() and not path.is_symlink() for path in store.local.rglob("*"))
    assert tunepipe("results", "small", "--storage", str(storage)).code == 0


def test_a_pipe_is_not_waited_for(storage: Path) -> None:
    """A pipe in the place of a file is refused rather than read for ever."""
    (storage / "small" / "study.json").unlink()
    os.mkfifo(storage / "small" / "study.json")
    os.mkfifo(storage / "small" / "epochs" / "part.parquet")
    said = tunepipe("results", "small", "--storage", str(storage))
    assert said.code == 2
    assert "study.json" in said.errors
    assert "is not a file" in said.errors


def test_deleting_goes_no_further_than_the_study(storage: Path, outside: Path) -> None:
    """Deleting a link, or a folder with links in it, deletes the links."""
    study = storage / "small"
    before = _content(outside)
    (study / "checkpoints" / "0000" / "link").symlink_to(outside)
    (study / "out").symlink_to(outside)
    (study / "file").symlink_to(outside / "page")
    store = Store(study)
    with pytest.raises(StorageError, match="leads out"):
        store.delete("out/page")
    with pytest.raises(StorageError, match="leads out"):
        store.delete_folder("out/0000")
    store.delete("file")
    store.delete_folder("checkpoints")
    store.delete_folder()
    assert not study.exists()
    assert _content(outside) == before


def test_writing_goes_no_further_than_the_study(storage: Path, outside: Path) -> None:
    """No way of writing follows a link out; a file that is a link is replaced by a file."""
    study = storage / "small"
    (study / "out").symlink_to(outside)
    (study / "file").symlink_to(outside / "page")
    store, before = Store(study), _content(outside)
    for write in (lambda: store.write("out/new", "x"), lambda: store.create("out/new", "x")):
        with pytest.raises(StorageError, match="leads out"):
            write()
    for path in ("out/page", "file"):
        with pytest.raises(StorageError, match="leads out"):
            store.append(path, b"x")
    store.write("file", "mine")
    assert not (study / "file").is_symlink()
    assert _content(outside) == before


def test_retention_deletes_within_the_study(storage: Path, outside: Path) -> None:
    """A trial's folder that is a link holds no checkpoints of the study, and none there are deleted."""
    study, before = storage / "small", _content(outside)
    (study / "checkpoints" / "0000").rename(storage / "aside")
    (study / "checkpoints" / "0000").symlink_to(outside / "0000")
    store = Store(study)
    job = load_study(store).replaced({"checkpoints.top": 1, "checkpoints.gigabytes": 1e-9})
    scheduler = job.scheduler.build(Setting(space=job.space, mode="min", epochs=4, trials=4, seed=0))
    trials = {f"{n:04d}": Trial(f"{n:04d}", {}, 0, state="failed", epoch=9) for n in range(4)}
    trials["0000"].checkpoints = {1, 2}
    Retention(store, job, scheduler, lambda: None).sweep(trials, None)
    with pytest.raises(StorageError, match="leads out"):
        Retention(store, job, scheduler, lambda: None).after_report(trials["0000"], trials, None)
    assert _content(outside) == before
    assert not (study / "checkpoints" / "0001" / "000004.ckpt").exists()


def test_a_study_may_lie_on_another_disk(storage: Path, tmp_path: Path) -> None:
    """The study's own folder may be a link: whoever named the storage put it there."""
    (storage / "small").rename(tmp_path / "elsewhere")
    (storage / "small").symlink_to(tmp_path / "elsewhere")
    assert tunepipe("results", "small", "--storage", str(storage)).code == 0
    assert "There is small" in tunepipe("results", "other", "--storage", str(storage)).errors


def test_a_page_that_is_a_link_is_replaced(storage: Path, outside: Path) -> None:
    """Writing the report puts a file in the place of the link; what that led to stays."""
    page = storage / "small" / "report.html"
    page.unlink()
    page.symlink_to(outside / "page")
    assert tunepipe("report", "small", "--storage", str(storage)).code == 0
    assert page.read_text().startswith("<!doctype html>")
    assert not page.is_symlink()
    assert (outside / "page").read_text() == "not a study's"
