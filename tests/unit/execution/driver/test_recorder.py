"""The recorder: whole files while a study runs, one file a table at its end."""

import pytest

from pipeline.execution.driver import recorder as recorder_module
from pipeline.results.tables.load import load_results
from pipeline.study import layout


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_the_session_records_how_it_ended(study, state):
    """The session's file records how the session ended, and the results show that as the study's state."""
    s = study()
    s.play(lambda _t, _c, e: float(e))
    s.recorder.close(state, "why")
    results = load_results(s.store.uri)
    assert results.state == state
    assert results.sessions[-1]["message"] == "why"


def test_no_heartbeat_comes_before_the_beginning(study, monkeypatch):
    """A heartbeat that comes before the session's number is taken, as of a slow restore, writes nothing."""
    monkeypatch.setattr(recorder_module, "BEAT_SECONDS", 0.0)
    s = study()
    s.recorder.beat()
    assert s.store.files("sessions") == []


def test_no_heartbeat_follows_the_end(study, monkeypatch):
    """A heartbeat that comes after the session has ended, or before its study is deleted, writes nothing."""
    monkeypatch.setattr(recorder_module, "BEAT_SECONDS", 0.0)
    for folder, end in (("closed", lambda r: r.close("finished")), ("deleted", lambda r: r.stop_heartbeat())):
        s = study(folder)
        s.session.begin()
        s.recorder.beat()
        end(s.recorder)
        before = s.store.read(layout.session(1))
        s.recorder.beat()
        assert s.store.read(layout.session(1)) == before
