"""A process of its own, and its end."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.execution.preflight.finding import Failed, Ready
from pipeline.execution.preflight.process import facts

_MODULE = """
import os, signal, subprocess, sys, threading
from pipeline.execution.preflight.finding import Ready

def main(tell, *, what):
    tell(Ready(os.getpid()))
    if what == "start":
        tell(Ready(subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"]).pid))
    if what == "die":
        print("on the way out")
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "raise":
        raise RuntimeError("a bug")
    if what == "thread":
        threading.Thread(target=threading.Event().wait).start()
        return
    if what != "end":
        threading.Event().wait()
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module with a `main`; its name."""
    (tmp_path / "played_process.py").write_text(_MODULE)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return "played_process"


@pytest.mark.parametrize("what", ["end", "thread"])
def test_facts_come_from_another_process_that_ends(module: str, what: str) -> None:
    """Also where a thread would have kept it."""
    told = list(facts(module, {"what": what}, seconds=60))
    assert len(told) == 1
    assert isinstance(told[0], Ready)
    assert told[0].seconds != os.getpid()


def test_a_process_that_dies_is_told_with_its_last_words(module: str) -> None:
    """The signal, and what it printed."""
    *_, last = facts(module, {"what": "die"}, seconds=60)
    assert isinstance(last, Failed)
    assert "SIGKILL" in last.told


def test_an_exception_is_told_by_its_last_line(module: str) -> None:
    """It is a bug, or something nobody thought of: no traceback is printed."""
    *_, last = facts(module, {"what": "raise"}, seconds=60)
    assert isinstance(last, Failed)
    assert last.told.endswith("RuntimeError: a bug")


def test_a_process_that_takes_too_long_is_ended(module: str) -> None:
    """It is late, and gone."""
    told = list(facts(module, {"what": "hang"}, seconds=3))
    assert isinstance(told[-1], Failed)
    assert told[-1].late
    if isinstance(told[0], Ready):
        assert not psutil.pid_exists(int(told[0].seconds))


def test_closing_ends_the_process_and_what_it_started(module: str) -> None:
    """Nothing stays behind, whatever the user's code has started."""
    told = facts(module, {"what": "start"}, seconds=60)
    pids = [int(next(told).seconds), int(next(told).seconds)]
    running = [psutil.Process(pid) for pid in pids]
    told.close()
    _, alive = psutil.wait_procs(running, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
