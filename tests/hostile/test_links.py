"""Links in a study to places outside: nothing there is read as the study's own, changed or deleted."""

import os
from pathlib import Path

import pytest

from pipeline.engine.trial import Trial
from pipeline.errors import StorageError
from pipeline.execution.driver.prune import Pruner
from pipeline.schedulers import SchedulerContext
from pipeline.storage import Store
from pipeline.study import load_study
from tests.hostile.command import continued, tunepipe

PLACES = ["epochs", "decisions", "checkpoints", "sessions", "source", "logs", "export"]
FILES = ["study.json", "trials.parquet", "report.html", "epochs/all-0001.parquet", "sessions/0001.json"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder next to the storage with files that look like a study's."""
    folder = tmp_path / "outside"
    for name in ("0000/000001.ckpt", "0000/000002.ckpt", "part-0001-000001.parquet", "0000.log", "0002.json", "page"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("not a study's")
    return folder


def _content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def _use(storage: Path) -> None:
    """Read a study in every way and continue it, so that all files are written; each step ends well or in a message."""
    calls = (
        ["results", "small"],
        ["logs", "small", "--trial", "0"],
        ["export", "small", "--to", str(storage / "to")],
    )
    for printed in (tunepipe(*words, "--storage", str(storage)) for words in calls):
        assert printed.code in (0, 2), printed
        assert "not a study's" not in printed.output
    continued(storage / "small", trials=6)


@pytest.mark.parametrize("place", PLACES)
def test_a_folder_that_is_a_link_is_refused(place: str, storage: Path, outside: Path) -> None:
    """A study's folder that is a link is refused, and the link's target is unchanged."""
    folder = storage / "small" / place
    if folder.exists():
        folder.rename(storage / "aside")
    folder.symlink_to(outside)
    before = _content(outside)
    _use(storage)
    assert _content(outside) == before


@pytest.mark.parametrize("place", FILES)
def test_a_file_that_is_a_link(place: str, storage: Path, outside: Path) -> None:
    """A file of a study that is a link is not read, and its target is not written."""
    path = storage / "small" / place
    path.unlink(missing_ok=True)
    path.symlink_to(outside / "page")
    before = _content(outside)
    _use(storage)
    assert _content(outside) == before


def test_a_link_out_of_the_study_is_reported(storage: Path, outside: Path) -> None:
    """A link that leads out of the study is reported with its place in the study and its target."""
    (storage / "small" / "study.json").unlink()
    (storage / "small" / "study.json").symlink_to(outside / "page")
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == 2
    assert "The path 'study.json' leads out of the storage" in printed.errors
    assert f"by a link to {outside}/page. Copy the link's target into its place." in printed.errors


def test_a_bad_entry_hides_no_other(storage: Path) -> None:
    """A study whose study.json is a link to the outside is unreadable, and others are not affected."""
    (storage / "x").mkdir()
    (storage / "x" / "study.json").symlink_to("../small/study.json")
    said = tunepipe("studies", "--storage", str(storage))
    assert said.code == 0
    assert "small" in said.output
    assert "x: The path 'study.json' leads out of the storage" in " ".join(said.output.split())
    for words in (["results", "unknown"], ["delete", "unknown", "--yes"]):
        said = tunepipe(*words, "--storage", str(storage))
        assert said.code == 2
        assert "There is no study 'unknown'" in said.errors
        assert "leads out" not in said.errors


def test_a_part_that_is_a_link_is_passed_over(storage: Path) -> None:
    """A link among the parts of a table is ignored: the table has the study's own rows only."""
    (storage / "small" / "epochs" / "x.parquet").symlink_to("/etc/passwd")
    assert tunepipe("results", "small", "--storage", str(storage)).output.startswith("small  finished")


def test_a_ring_of_links_has_an_end(storage: Path) -> None:
    """A link to a parent folder is not followed."""
    (storage / "small" / "epochs" / "round").symlink_to(storage / "small")
    (storage / "small" / "source" / "self").symlink_to("self")
    store = Store(storage / "small")
    assert len(store.files()) == sum(path.is_file() and not path.is_symlink() for path in store.local.rglob("*"))
    assert tunepipe("results", "small", "--storage", str(storage)).code == 0


def test_a_pipe_is_not_waited_for(storage: Path) -> None:
    """A pipe in the place of a file is refused instead of read without end."""
    (storage / "small" / "study.json").unlink()
    os.mkfifo(storage / "small" / "study.json")
    os.mkfifo(storage / "small" / "epochs" / "part.parquet")
    printed = tunepipe("results", "small", "--storage", str(storage))
    assert printed.code == 2
    assert "study.json" in printed.errors
    assert "is not a file" in printed.errors


@pytest.mark.parametrize("to", ["outside", "inside"])
def test_nothing_is_written_or_deleted_through_a_link(to: str, storage: Path, outside: Path) -> None:
    """Writing and deleting refuse links to targets within the study and outside."""
    study = storage / "small"
    folder, file = (outside, outside / "page") if to == "outside" else (study / "epochs", study / "study.json")
    (study / "by").symlink_to(folder)
    (study / "file").symlink_to(file)
    store, before = Store(study), _content(storage.parent)
    for path in ("by/page", "by/0000/x", "by", "file"):
        for change in (store.write, store.create, lambda path, _: store.append(path, b"x")):
            with pytest.raises(StorageError, match=r"is a link to .*no link within a study is followed"):
                change(path, "x")
        with pytest.raises(StorageError, match="is a link to"):
            store.delete(path)
    store.delete_empty_folders()
    assert _content(storage.parent) == before
    assert (study / "by").is_symlink()
    assert (study / "file").is_symlink()


def test_the_pruner_deletes_within_the_study(storage: Path, outside: Path) -> None:
    """A trial's folder that is a link has no checkpoints of the study, and none of its files is deleted."""
    study, before = storage / "small", _content(outside)
    (study / "checkpoints" / "0000").rename(storage / "aside")
    (study / "checkpoints" / "0000").symlink_to(outside / "0000")
    store = Store(study)
    job = load_study(store).replaced({"checkpoints.top": 1, "checkpoints.gigabytes": 1e-9})
    scheduler = job.scheduler.build(SchedulerContext(space=job.space, mode="min", epochs=4, trials=4, seed=0))
    trials = {
        f"{n:04d}": Trial(f"{n:04d}", {}, state="failed", epoch=9, checkpoints={4} if n else set()) for n in range(4)
    }
    pruner = Pruner(store, job, scheduler, trials, lambda: None)
    pruner.list_storage()
    pruner.prune(trials, None)
    trials["0000"].checkpoints = {1, 2}
    with pytest.raises(StorageError, match="is a link to"):
        pruner.prune(trials, None)
    assert _content(outside) == before
    assert not (study / "checkpoints" / "0001" / "000004.ckpt").exists()


def test_a_study_may_be_on_another_disk(storage: Path, tmp_path: Path) -> None:
    """The study's own folder may be a link to another disk, because the user chose the storage."""
    (storage / "small").rename(tmp_path / "elsewhere")
    (storage / "small").symlink_to(tmp_path / "elsewhere")
    assert tunepipe("results", "small", "--storage", str(storage)).code == 0
    assert "Available: small" in tunepipe("results", "other", "--storage", str(storage)).errors


def test_a_page_that_is_a_link_is_not_replaced(storage: Path, outside: Path) -> None:
    """A report is refused if its page is a link; the link and its target are unchanged."""
    page = storage / "small" / "report.html"
    page.unlink()
    page.symlink_to(outside / "page")
    printed = tunepipe("report", "small", "--storage", str(storage))
    assert printed.code == 2
    assert f"report.html is a link to {outside}/page" in printed.errors
    assert page.is_symlink()
    assert (outside / "page").read_text() == "not a study's"
