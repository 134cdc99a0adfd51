"""The page of one trial, and the files of it that can be downloaded."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.errors import JobNotFound
from pipeline.page.study_cache import StudyCache
from pipeline.page.trial_page import Download, checkpoint_file, content, log_file, trial_file
from pipeline.storage import Store
from tests.unit.results.studies import asha_study

STUDY = "mnist-asha"


def test_a_trial_is_shown_with_its_neighbours(studies: StudyCache) -> None:
    """A trial's page links its neighbours, except before the first and after the last."""
    first, second, last = (content(studies, STUDY, trial) for trial in ("0000", "0001", "0023"))
    assert (first["before"], first["after"]) == (None, "0001")
    assert (last["before"], last["after"]) == ("0022", None)
    assert [first["is_best"], second["is_best"]] == [False, True]


def test_decisions_on_a_trial_are_listed_in_order(studies: StudyCache) -> None:
    """Decisions on a trial are listed in order with epoch and reason."""
    decisions = content(studies, STUDY, "0001")["decisions"]
    assert [(epoch, kind) for epoch, kind, _ in decisions] == [
        ("0", "start"), ("1", "promote"), ("3", "promote"), ("9", "finish"),
    ]  # fmt: skip
    assert decisions[-1][2] == "trained its epochs"


def test_a_failed_trial_has_its_error(studies: StudyCache) -> None:
    """The page of a failed trial has an error and no value."""
    failed = content(studies, STUDY, "0004")
    assert failed["state"] == "failed"
    assert "ValueError: units" in failed["error"]
    assert "val_accuracy" not in [label for label, _, _ in failed["tiles"]]


def test_a_log_is_shown_as_a_terminal_shows_it(studies: StudyCache) -> None:
    """A log is shown without colours and with the last state of a progress bar."""
    assert content(studies, STUDY, "0000")["log"] == ("red\nstep 2\n<b>bold</b>", "")


def test_the_end_of_a_long_log_is_shown(tmp_path: Path) -> None:
    """The end of a long log is shown below the size of what is left out."""
    asha_study(tmp_path, trials=2).store.write("logs/0000.log", b"a" * 1_000_000 + b"\nthe end\n")
    text, before = content(StudyCache(Store(tmp_path)), STUDY, "0000")["log"]
    assert text.endswith("a\nthe end")
    assert len(text) <= 200_000
    assert before == "800 kB"


def test_downloads_have_every_byte(studies: StudyCache) -> None:
    """Downloads have all bytes of a log, a file or a checkpoint, under names that contain the trial."""
    found = [
        log_file(studies, STUDY, "0000"),
        trial_file(studies, STUDY, "0000", "deep/er.txt"),
        checkpoint_file(studies, STUDY, "0000"),
    ]
    assert [each.name for each in found] == ["0000.log", "er.txt", "0000-000009.ckpt"]
    log, file, checkpoint = (b"".join(each.pieces) for each in found)
    assert log.startswith(b"\x1b[31mred")
    assert file == b"written"
    assert checkpoint == b"weights"


@pytest.mark.parametrize(
    "asked",
    [
        lambda studies: log_file(studies, STUDY, "0001"),
        lambda studies: log_file(studies, STUDY, "../../secret.txt"),
        lambda studies: checkpoint_file(studies, STUDY, "0004"),
        lambda studies: trial_file(studies, STUDY, "0000", "../../study.json"),
        lambda studies: trial_file(studies, STUDY, "0000", "/etc/passwd"),
        lambda studies: trial_file(studies, STUDY, "9999", "deep/er.txt"),
    ],
    ids=["no log", "log elsewhere", "no checkpoint", "file elsewhere", "absolute path", "no trial"],
)
def test_nothing_else_can_be_downloaded(studies: StudyCache, asked: Callable[[StudyCache], Download]) -> None:
    """A file that does not belong to the trial is not found, whatever path its name has."""
    with pytest.raises(JobNotFound):
        asked(studies)


def test_a_long_trial_has_its_newest_epochs_in_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of epochs leaves out the first ones of a long trial, and the data of its curves has all."""
    asha_study(tmp_path, trials=2)
    monkeypatch.setattr("pipeline.page.trial_page.TABLE_EPOCHS", 4)
    found = content(StudyCache(Store(tmp_path)), STUDY, "0000")
    assert found["skipped"] == len(found["epochs"]["epochs"]) - 4 > 0
