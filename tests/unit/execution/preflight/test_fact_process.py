"""A check's process: its facts, and how it ends."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from pipeline.execution.preflight.fact_process import facts
from pipeline.execution.preflight.finding import Failure, WorkerStart

ROOT = Path(__file__).parents[4]

_MODULE = """
import os, signal, subprocess, sys, threading
from pipeline.execution.preflight.finding import WorkerStart

def main(tell, *, what):
    tell(WorkerStart(os.getpid()))
    if what == "start":
        tell(WorkerStart(subprocess.Popen([sys.executable, "-c", "import threading; threading.Event().wait()"]).pid))
    if what == "die":
        print("on the way out", flush=True)
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
    """Facts of a check arrive from another process, which ends even if a thread would keep it alive."""
    reported = list(facts(module, {"what": what}, seconds=60))
    assert len(reported) == 1
    assert isinstance(reported[0], WorkerStart)
    assert reported[0].seconds != os.getpid()
    assert not psutil.pid_exists(int(reported[0].seconds))


def test_a_job_beside_the_package_leaves_it_importable(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process finds tunepipe if the job's folder is the only one that holds it, as in a checkout."""
    others = [entry for entry in sys.path if not Path(entry, "pipeline", "execution").is_dir()]
    monkeypatch.setattr(sys, "path", [*others, str(ROOT)])
    (reported,) = facts(module, {"what": "end"}, seconds=60, without=[str(ROOT)])
    assert isinstance(reported, WorkerStart)


def test_a_process_that_dies_is_reported_with_its_output(module: str) -> None:
    """A process that dies is reported with the name of its signal and what it printed last."""
    *_, last = facts(module, {"what": "die"}, seconds=60)
    assert isinstance(last, Failure)
    assert "SIGKILL" in last.message
    assert last.message.endswith("It last printed: on the way out")


def test_an_exception_is_reported_by_its_last_line(module: str) -> None:
    """An unexpected exception in a check's process is reported by its last line."""
    *_, last = facts(module, {"what": "raise"}, seconds=60)
    assert isinstance(last, Failure)
    assert last.message.endswith("RuntimeError: a bug")


def test_a_process_that_takes_too_long_is_ended(module: str) -> None:
    """A process of a check that exceeds its time is ended and reported as late."""
    reported = list(facts(module, {"what": "hang"}, seconds=3))
    assert isinstance(reported[-1], Failure)
    assert reported[-1].late
    if isinstance(reported[0], WorkerStart):
        assert not psutil.pid_exists(int(reported[0].seconds))


def test_closing_ends_the_process_and_what_it_started(module: str) -> None:
    """Closing the facts of a check ends its process and all processes that the user's code started."""
    reported = facts(module, {"what": "start"}, seconds=60)
    pids = [int(next(reported).seconds), int(next(reported).seconds)]
    running = [psutil.Process(pid) for pid in pids]
    reported.close()
    _, alive = psutil.wait_procs(running, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []
