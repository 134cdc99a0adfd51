"""A driver's own file in the study."""

import json
from pathlib import Path

import pytest

from pipeline.errors import Superseded
from pipeline.execution.driver import session_file
from pipeline.execution.driver.session_file import SessionFile
from pipeline.results.tables.sessions import read_sessions
from pipeline.storage import Store
from pipeline.storage.processes import lives
from pipeline.study import layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A study's folder."""
    return Store(tmp_path / "s")


def test_a_driver_takes_its_number_with_the_first_heartbeat(store: Store) -> None:
    """The first heartbeat claims the session's number and records the process, start, nodes and what a resume needs."""
    file = SessionFile(store, 2, seconds_before=100.0)
    file.check()
    assert not file.taken
    file.add_node({"host": "b", "cores": 4})
    file.add_node({"host": "a", "cores": 2})
    file.publish("running", "", resume='{"decided": 3}')
    (session,) = read_sessions(store, resume=True)
    assert file.taken
    assert (session["number"], session["state"], session["ended"], session["resume"]) == (
        2,
        "running",
        None,
        {"decided": 3},
    )
    assert lives(session)
    assert [node["host"] for node in session["nodes"]] == ["a", "b"]
    assert 100.0 <= session["seconds"] <= file.seconds


def test_an_end_has_a_time_and_a_reason(store: Store) -> None:
    """The file of an ended session has the time of the end, which is also its last heartbeat, and the reason."""
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    file.publish("interrupted", "Ctrl-C.", resume="{}")
    (session,) = read_sessions(store)
    assert (session["state"], session["message"]) == ("interrupted", "Ctrl-C.")
    assert session["ended"] == session["heartbeat"]


def test_two_drivers_cannot_have_one_number(store: Store) -> None:
    """Of two drivers with the same session number, the second is refused and writes nothing."""
    SessionFile(store, 1).publish("running", "first", resume="{}")
    second = SessionFile(store, 1)
    with pytest.raises(Superseded, match="has just begun session 1"):
        second.publish("running", "second", resume="{}")
    assert not second.taken
    assert read_sessions(store)[0]["message"] == "first"


def test_a_driver_that_was_replaced_writes_nothing(store: Store) -> None:
    """A driver writes nothing if a higher session has begun or its own file has another driver's mark."""
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    own = store.read(layout.session(1))
    store.write(layout.session(1), json.dumps({**json.loads(own), "mark": "another"}))
    with pytest.raises(Superseded, match="Another driver of session 1 has"):
        file.publish("running", "again", resume="{}")
    store.write(layout.session(1), own)
    file.check()
    store.write(layout.session(2), own)
    with pytest.raises(Superseded, match="session 2, has taken over"):
        file.check()
    assert store.read(layout.session(1)) == own


@pytest.mark.parametrize("content", [None, "{"])
def test_a_file_that_is_gone_or_damaged_is_not_this_drivers(store: Store, content: str | None) -> None:
    """A driver whose session file is missing or damaged stops, because it may have been replaced."""
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    store.delete(layout.session(1)) if content is None else store.write(layout.session(1), content)
    with pytest.raises(Superseded):
        file.check()


def test_a_driver_asks_again_after_a_second(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between its writes, a driver looks once a second whether another one has taken over."""
    now = [0.0]
    monkeypatch.setattr(session_file.time, "monotonic", lambda: now[0])
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    file.check()
    store.write(layout.session(2), "{}")
    now[0] = 0.9
    file.check_again()
    now[0] = 1.0
    with pytest.raises(Superseded):
        file.check_again()


def test_a_request_to_stop_is_found_within_a_second(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver looks for a stop request of its own session once a second, and remembers one that it found."""
    now = [0.0]
    monkeypatch.setattr(session_file.time, "monotonic", lambda: now[0])
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    store.write(layout.stop_request(2), "{}")
    now[0] = 1.0
    assert not file.stop_requested()
    store.write(layout.stop_request(1), "{}")
    now[0] = 1.5
    assert not file.stop_requested()
    now[0] = 2.0
    assert file.stop_requested()
    store.delete(layout.stop_request(1))
    now[0] = 9.0
    assert file.stop_requested()


def test_a_request_to_stop_is_found_immediately(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that was signalled finds a stop request without waiting for its next look."""
    monkeypatch.setattr(session_file.time, "monotonic", lambda: 0.0)
    file = SessionFile(store, 1)
    file.publish("running", "", resume="{}")
    store.write(layout.stop_request(1), "{}")
    assert not file.stop_requested()
    assert file.stop_requested(immediately=True)
