"""The recorder: whole files while a study runs, one file a table at its end."""

import pytest

from pipeline.results.tables.load import load_results


@pytest.mark.parametrize("state", ["finished", "interrupted", "failed"])
def test_the_session_records_how_it_ended(study, state):
    """The session's file records how the session ended, and the results show that as the study's state."""
    s = study()
    s.play(lambda _t, _c, e: float(e))
    s.recorder.close(state, "why")
    results = load_results(s.store.uri)
    assert results.state == state
    assert results.sessions[-1]["message"] == "why"
