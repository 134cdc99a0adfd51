"""The heartbeat of a driver whose main thread is busy."""

import threading

import pytest

from pipeline.errors import StorageError
from pipeline.execution.driver import heartbeat as module
from pipeline.execution.driver.heartbeat import heartbeat


def test_it_beats_while_the_main_thread_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat continues while the main thread waits and after a storage error, until its context ends."""
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)
    beats: list[str] = []
    third = threading.Event()

    def beat() -> None:
        beats.append(threading.current_thread().name)
        if len(beats) == 3:
            third.set()
        raise StorageError("away")

    with heartbeat(beat):
        assert third.wait(60)
    assert set(beats) == {"heartbeat"}
    assert "heartbeat" not in [thread.name for thread in threading.enumerate()]
