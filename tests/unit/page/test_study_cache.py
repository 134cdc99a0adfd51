"""Studies are read again only when their files have changed."""

from pathlib import Path

import pytest

from pipeline.errors import JobNotFound
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store
from tests.clocks import Clock
from tests.recorded_studies import Recording, asha_study

STUDY = "mnist-asha"


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    """A small study."""
    return asha_study(tmp_path, trials=4)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that decides when files are read again."""
    clock = Clock()
    monkeypatch.setattr("pipeline.page.study_cache.time", clock)
    return clock


@pytest.fixture
def own(study: Recording, clock: Clock) -> StudyCache:
    """StudyCache of its storage."""
    return StudyCache(Store(study.root))


@pytest.mark.parametrize(
    "name", ["", "none", ".", "..", "../x", ".hidden", f"{STUDY}/epochs", f"{STUDY}/", "secret.txt", "a\0b"]
)
def test_only_a_study_has_a_folder(studies: StudyCache, name: str, storage: Path) -> None:
    assert studies.folder(STUDY).uri == str(storage / STUDY)
    with pytest.raises(JobNotFound, match="There is no study"):
        studies.folder(name)


def test_a_study_is_read_again_when_it_has_changed(own: StudyCache, study: Recording, clock: Clock) -> None:
    before, mark = own.snapshot(STUDY), own.mark(STUDY)
    clock.now += 60
    assert own.snapshot(STUDY) is before
    study.decide("0000", 9, "finish", 50.0, "again")
    study.flush()
    assert own.mark(STUDY) == mark
    clock.now += 60
    assert own.mark(STUDY) != mark
    assert len(own.snapshot(STUDY).results.decisions) == len(before.results.decisions) + 1


def test_many_pages_share_one_reading_of_the_storage(own: StudyCache, tmp_path: Path, clock: Clock) -> None:
    """A study that cannot be read does not hide the others."""
    assert [row.name for row in own.rows(recent=True)] == [STUDY]
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "study.json").write_text("{")
    assert len(own.rows(recent=True)) == 1
    assert {row.name: row.state for row in own.rows()} == {STUDY: "finished", "torn": "unreadable"}
    clock.now += 60
    assert len(own.rows(recent=True)) == 2
