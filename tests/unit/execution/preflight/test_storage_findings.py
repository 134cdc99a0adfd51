"""The storage, the study's name, the space."""

import tempfile
from pathlib import Path

import pytest

from pipeline import Budget, Checkpoints, run
from pipeline.execution.preflight.storage_findings import (
    free_bytes,
    kept_bytes,
    probe_folder,
    space_finding,
    storage_finding,
    study_finding,
)
from pipeline.storage import Store
from pipeline.study import Objective, save_study
from tests.processes import printed_without_privileges
from tests.unit.execution.preflight.facts import job, steps


def test_a_storage_that_is_not_there_yet_can_be_used_and_is_left_as_it_was(tmp_path: Path) -> None:
    """A storage folder that does not exist is usable, and the check leaves no folder behind."""
    storage = Store(tmp_path / "a/b")
    with probe_folder(storage) as probe:
        assert storage_finding(probe, "here").level == "ok"
    assert list(tmp_path.iterdir()) == []


def test_the_check_of_a_storage_leaves_its_files_unchanged(tmp_path: Path) -> None:
    """A check of a storage keeps its files and leaves none of its own."""
    (tmp_path / "study").mkdir()
    with probe_folder(Store(tmp_path)) as probe:
        storage_finding(probe, "here")
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.mark.parametrize(("within", "mode"), [("", 0o555), ("/inner/studies", 0o700)], ids=["read-only", "below"])
def test_a_storage_that_cannot_be_written_is_a_fault(within: str, mode: int) -> None:
    """A read-only storage, or one below a folder of another user, is a fault with the system's reason, no traceback."""
    code = (
        "from pipeline.execution.preflight.storage_findings import probe_folder, storage_finding\n"
        "from pipeline.storage import Store\n"
        f"with probe_folder(Store(sys.argv[1] + {within!r})) as probe: finding = storage_finding(probe, 'here')\n"
        "print(finding.level, finding.found)"
    )
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(mode)
        printed = printed_without_privileges(code, folder)
    assert printed.startswith("error Cannot")
    assert "Permission denied" in printed


def test_a_storage_with_a_name_that_no_folder_can_have_is_a_fault(tmp_path: Path) -> None:
    """A storage whose name is too long is a fault with the system's reason, and no traceback."""
    with probe_folder(Store(tmp_path / ("x" * 300))) as probe:
        finding = storage_finding(probe, "here")
    assert finding.level == "error"
    assert "File name too long" in finding.found


def _study(name: str, tmp_path: Path, *, resume: bool = False, **fields: object) -> tuple[str, str]:
    function = job(name=name, function=steps, objectives=[Objective("score", "max")], **fields)
    finding = study_finding(function, Store(tmp_path), resume=resume, accept_changes=False, note=print)
    return finding.level, finding.found


def test_a_name_that_is_taken_is_a_warning_unless_the_study_continues(tmp_path: Path) -> None:
    """A taken name is a warning that offers --resume and --name; with --resume, a changed job is a fault."""
    assert _study("s", tmp_path) == ("ok", "'s' is new")
    done = job(function=steps, objectives=[Objective("score", "max")], resources={"workers": 0})
    run(done, storage=tmp_path)
    finding = study_finding(done, Store(tmp_path), resume=False, accept_changes=False, note=print)
    assert (finding.level, finding.found) == ("warning", "'s' exists already")
    assert "--resume" in finding.advice
    assert "--name" in finding.advice
    assert _study("s", tmp_path, resume=True) == ("warning", "'s' is finished: no trial would train")
    more = _study("s", tmp_path, resume=True, budget=Budget(trials=9, epochs=8))
    assert more == ("ok", "'s' exists (session 1, finished) and would continue")
    level, reported = _study("s", tmp_path, resume=True, seed=7)
    assert (level, "seed: must stay 0" in reported) == ("error", True)


def test_a_study_without_an_epoch_is_replaced(tmp_path: Path) -> None:
    """A check accepts the name of a study without an epoch and without a live driver, which run replaces."""
    begun = job(function=steps, objectives=[Objective("score", "max")])
    save_study(Store(tmp_path).folder(begun.name), begun)
    assert _study(begun.name, tmp_path) == ("ok", "'s' has no epoch yet, and a new study replaces it")


@pytest.mark.parametrize(
    ("checkpoints", "scheduler", "kept"),
    [
        (Checkpoints(), "fifo", 100 * (2 * 64 + 4)),
        (Checkpoints(top=5), "fifo", 100 * (2 * (5 + 4) + 4)),
        (Checkpoints(top=5), "pbt", 100 * 3 * 64),
        (Checkpoints(gigabytes=2e-6), "fifo", 2000),
        (Checkpoints(gigabytes=1e-9), "fifo", 100 * 3 * 4),
    ],
)
def test_two_checkpoints_are_planned_for_each_trial_and_three_for_live_ones(checkpoints, scheduler, kept) -> None:
    """Two checkpoints of each trial are kept, and three of live ones: a population, or one trial per worker."""
    tuned = job(checkpoints=checkpoints, scheduler=scheduler)
    assert kept_bytes(tuned, trials=64, workers=4, checkpoint=100) == kept


@pytest.mark.parametrize(("free", "level"), [(99, "error"), (150, "warning"), (1000, "ok"), (None, "ok")])
def test_checkpoints_must_fit(free, level) -> None:
    """Checkpoints beyond the free space are a fault, beyond half of it a warning, and accepted if it is unknown."""
    assert space_finding(100, 10, free).level == level


def test_free_space_is_that_of_the_disk_of_the_storage(tmp_path: Path) -> None:
    """Free space is that of the disk, even before the storage folder exists; an object store reports none."""
    assert (free_bytes(Store(tmp_path / "not/yet")) or 0) > 0
    assert free_bytes(Store("s3://bucket/folder?region=eu-west-1")) is None
