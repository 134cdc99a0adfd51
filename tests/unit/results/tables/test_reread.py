"""Studies that are read again and again."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline.results.tables import load as reread
from pipeline.results.tables.load import Rereader
from pipeline.study import layout
from tests.unit.results.studies import Recording, tune_job
from tests.unit.results.tables.rows import CONFIG


def running(root: Path) -> Recording:
    """A study with one epoch whose driver was alive a moment ago."""
    study = Recording(root, tune_job("rises"))
    study.decide("0000", 0, "start", 0.0, config_after=CONFIG)
    study.train("0000", 1, CONFIG, 0.5, 1.0)
    study.end(1.0, state="running")
    beat(study, datetime.now(UTC))
    return study


def beat(study: Recording, at: datetime) -> None:
    """Write a heartbeat, which does not change the size of the session's file."""
    session = study.store.read_json(layout.session(1))
    study.store.write(layout.session(1), json.dumps({**session, "heartbeat": at.isoformat(timespec="seconds")}))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The studies whose tables were read."""
    found: list[str] = []
    load_results = reread.load_results
    monkeypatch.setattr(reread, "load_results", lambda uri: found.append(uri) or load_results(uri))
    return found


def test_tables_are_read_again_only_if_files_have_changed(tmp_path: Path, reads: list[str]) -> None:
    """A study whose files are as before is not read again, and one with new rows is."""
    study, rereader = running(tmp_path), Rereader()
    first = rereader.results(study.store.uri)
    assert rereader.results(study.store.uri) is first
    assert len(reads) == 1
    study.train("0000", 2, CONFIG, 0.6, 2.0)
    study.end(2.0, state="running")
    assert len(rereader.results(study.store.uri).epochs) == 2
    assert len(reads) == 2


def test_a_driver_that_fell_silent_is_noticed(tmp_path: Path, reads: list[str]) -> None:
    """The state is that of now, although the files of a driver that died are as before."""
    study, rereader = running(tmp_path), Rereader()
    assert rereader.results(study.store.uri).state == "running"
    beat(study, datetime.now(UTC) - timedelta(hours=1))
    assert rereader.results(study.store.uri).state == "interrupted"
    assert len(reads) == 1
