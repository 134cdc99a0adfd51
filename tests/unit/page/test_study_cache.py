"""Studies are read again only when their files have changed."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.errors import JobNotFound
from pipeline.page.study_cache import StudyCache
from pipeline.results import Results
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import Objective, layout
from tests.clocks import Clock
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import Recording, asha_study, tune_job

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
def test_only_a_study_has_a_folder(studies: StudyCache, name: str) -> None:
    """A name outside of the storage, or one of no study, has no folder."""
    with pytest.raises(JobNotFound, match="There is no study"):
        studies.folder(name)


def test_the_folder_of_a_study_is_its_own(studies: StudyCache, storage: Path) -> None:
    """The folder of a study is within the storage and has its name."""
    assert studies.folder(STUDY).uri == str(storage / STUDY)


def test_a_study_that_does_not_change_is_read_once(own: StudyCache, clock: Clock) -> None:
    """An unchanged study is read once, however often and late it is requested."""
    before = own.results(STUDY)
    clock.now += 60
    assert own.results(STUDY) is before


def test_a_study_is_read_again_when_it_has_changed(own: StudyCache, study: Recording, clock: Clock) -> None:
    """A new row is seen at the next snapshot with a new mark, and until then no study is listed as changed."""
    before, mark = own.results(STUDY), own.mark(STUDY)
    study.decide("0000", 9, "finish", 50.0, "again")
    study.flush()
    assert own.mark(STUDY) == mark
    clock.now += 60
    assert own.mark(STUDY) != mark
    assert len(own.results(STUDY).decisions) == len(before.decisions) + 1


def test_derived_values_are_computed_once_for_each_reading(own: StudyCache, study: Recording, clock: Clock) -> None:
    """A value derived from a study is computed again only if the study has changed, and separately for each key."""
    asked: list[Results] = []

    def compute(results: Results) -> int:
        asked.append(results)
        return len(results.decisions)

    first = own.snapshot(STUDY).derived("count", compute)
    assert own.snapshot(STUDY).derived("count", compute) == first
    assert len(asked) == 1
    assert own.snapshot(STUDY).derived("other", compute) == first
    assert len(asked) == 2
    study.decide("0000", 9, "finish", 50.0, "again")
    study.flush()
    clock.now += 60
    assert own.snapshot(STUDY).derived("count", compute) == first + 1


def test_studies_are_listed_with_the_best_value_over_their_trials(studies: StudyCache, storage: Path) -> None:
    """Studies are listed with their best value over trials, rising for max and falling for min."""
    lines = {line.row.name: line for line in studies.lines()}
    assert set(lines) == {"mnist-asha", "mnist-pbt", "domains"}
    higher, lower = lines["mnist-asha"], lines["domains"]
    assert list(higher.sparks) == sorted(higher.sparks)
    assert list(lower.sparks) == sorted(lower.sparks, reverse=True)
    assert higher.sparks[-1] == higher.row.best


def test_a_study_that_cannot_be_read_does_not_hide_the_others(own: StudyCache, tmp_path: Path) -> None:
    """An unreadable study is listed with its error next to the others."""
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "study.json").write_text("{")
    lines = {line.row.name: line for line in own.lines()}
    assert lines["torn"].row.state == "unreadable"
    assert lines["torn"].row.fault
    assert lines[STUDY].row.state == "finished"


def test_many_pages_share_one_reading_of_the_storage(own: StudyCache, tmp_path: Path, clock: Clock) -> None:
    """The list for pages that ask again and again is read once a second at most, and the page's own list each time."""
    assert [line.row.name for line in own.recent_lines()] == [STUDY]
    asha_study(tmp_path, trials=2, name="another")
    assert len(own.recent_lines()) == 1
    assert len(own.lines()) == 2
    clock.now += 60
    assert len(own.recent_lines()) == 2


def test_a_paused_study_is_listed_as_paused(own: StudyCache, study: Recording) -> None:
    """A study whose driver got the command to pause is listed as paused, and as running once it continues."""
    now = datetime.now(UTC).isoformat()
    session = {"number": 2, "state": "running", "started": now, "heartbeat": now, "ended": None, "seconds": 1.0}
    for paused, state in (("A user paused it.", "paused"), (None, "running")):
        content = session | identity(os.getpid()) | {"resume": {"paused": paused}}
        study.store.write(layout.session(2), json.dumps(content))
        (line,) = own.lines()
        assert line.row.state == state
        assert (line.left is None) == (state == "paused")


def test_the_time_left_counts_the_seconds_of_each_session_once(tmp_path: Path, clock: Clock) -> None:
    """A running study's time left is what its budget of 600 seconds leaves after the sessions so far, each once."""
    study = Recording(tmp_path, tune_job("timed", budget={"seconds": 600}))
    now = datetime.now(UTC).isoformat()
    for number, state, seconds in ((1, "interrupted", 500.0), (2, "running", 590.0)):
        session = {"number": number, "state": state, "started": now, "heartbeat": now, "seconds": seconds}
        study.store.write(layout.session(number), json.dumps(session | identity(os.getpid())))
    (line,) = StudyCache(Store(tmp_path)).lines()
    assert line.left == 10.0


def test_the_best_value_so_far_is_within_the_bounds(tmp_path: Path) -> None:
    """In the list of studies, values of trials beyond a bound are not the best so far."""
    recorded(tmp_path, Objective("parameters", "min", at_most=1000), points=[(0.5, 10), (0.95, 20_000), (0.9, 1000)])
    (line,) = StudyCache(Store(tmp_path)).lines()
    assert (line.row.best, line.sparks) == (0.9, (0.5, 0.9))
