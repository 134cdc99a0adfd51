"""The lease of a driver: one number for one driver, and a driver that was replaced writes nothing."""

import json
import threading
from pathlib import Path

import pytest

from pipeline.errors import StorageError, Superseded
from pipeline.storage import Store, lease as module
from pipeline.storage.lease import Lease, heartbeat
from pipeline.storage.processes import lives
from pipeline.storage.sessions import read_sessions
from pipeline.study import layout


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "s")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def taken(store: Store, number: int = 1) -> Lease:
    lease = Lease(store, number)
    lease.write("running", {}, "{}")
    return lease


def test_a_driver_takes_its_number_with_the_first_heartbeat(store: Store) -> None:
    lease = Lease(store, 2, seconds_before=100.0)
    lease.check()
    assert not lease.taken
    lease.write("running", {"nodes": [{"host": "a", "cores": 2}]}, '{"decided": 3}')
    (session,) = read_sessions(store, resume=True)
    assert lease.taken
    assert [session[name] for name in ("number", "state", "ended", "resume")] == [2, "running", None, {"decided": 3}]
    assert lives(session)
    assert [node["host"] for node in session["nodes"]] == ["a"]
    assert 100.0 <= session["seconds"] <= lease.seconds


def test_a_driver_that_has_left_is_dead_in_its_own_process(store: Store) -> None:
    lease = taken(store)
    lease.leave()
    assert lives(read_sessions(store)[-1]) is False


def test_two_drivers_cannot_have_one_number(store: Store) -> None:
    Lease(store, 1).write("running", {"message": "first"}, "{}")
    second = Lease(store, 1)
    with pytest.raises(Superseded):
        second.write("running", {"message": "second"}, "{}")
    assert not second.taken
    assert read_sessions(store)[0]["message"] == "first"


@pytest.mark.parametrize("replacement", ["another mark", "a later session", "damage", "nothing"])
def test_a_driver_that_was_replaced_writes_nothing(store: Store, replacement: str) -> None:
    lease = taken(store)
    own = store.read(layout.session(1))
    if replacement == "another mark":
        store.write(layout.session(1), json.dumps({**json.loads(own), "mark": "another"}))
    elif replacement == "a later session":
        store.write(layout.session(2), own)
    elif replacement == "damage":
        store.write(layout.session(1), "{")
    else:
        store.delete(layout.session(1))
    before = {path: store.read(path) for path in store.files()}
    with pytest.raises(Superseded):
        lease.write("running", {"message": "again"}, "{}")
    assert {path: store.read(path) for path in store.files()} == before


def test_a_driver_asks_again_after_a_second(store: Store, clock: list[float]) -> None:
    lease = taken(store)
    lease.check()
    store.write(layout.session(2), "{}")
    clock[0] = 0.9
    lease.check()
    clock[0] = 1.0
    with pytest.raises(Superseded):
        lease.check()


def test_a_request_to_stop_is_found_within_a_second(store: Store, clock: list[float]) -> None:
    lease = taken(store)
    store.write(layout.stop_request(2), "{}")
    clock[0] = 1.0
    assert not lease.stop_requested()
    store.write(layout.stop_request(1), "{}")
    clock[0] = 1.5
    assert not lease.stop_requested()
    assert lease.stop_requested(immediately=True)
    store.delete(layout.stop_request(1))
    clock[0] = 9.0
    assert lease.stop_requested()


def test_the_heartbeat_goes_on_while_the_main_thread_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    beats, enough = [], threading.Event()

    def beat() -> None:
        beats.append(threading.current_thread())
        if len(beats) == 3:
            enough.set()
        raise StorageError("A heartbeat that fails is tried again.")

    with heartbeat(beat):
        assert enough.wait(30)
    count = len(beats)
    assert threading.current_thread() not in beats
    assert len(beats) == count
