"""`tunepipe check` with real processes: jobs without faults, and jobs that would fail after an hour."""

import contextlib
import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import psutil

from tests.command import tunepipe
from tests.processes import TUNEPIPE, started, wait_for


def check(*arguments: str, cwd: Path) -> tuple[int, dict[str, Any], dict[str, Any]]:
    """The exit code, the findings by name, and the whole object of a check, which trains in its own process."""
    with contextlib.chdir(cwd):
        printed = tunepipe("check", *arguments, "--json")
    reported = json.loads(printed.output)
    return printed.code, {finding["name"]: finding for finding in reported["findings"]}, reported


def test_a_job_without_faults_passes(tmp_path: Path) -> None:
    """A check of digits-quick covers everything, finds no fault, reports its size and leaves no file."""
    code, found, reported = check("digits-quick", cwd=tmp_path)
    assert code == 0
    assert list(found) == [
        "data", "epoch", "objective", "resume", "export", "configs", "memory", "disk", "time",
    ]  # fmt: skip
    assert {finding["level"] for finding in found.values()} == {"ok"}
    assert reported["estimate"]["epochs"] == 64
    assert reported["estimate"]["bytes_checkpoint"] > 0
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_no_process(tmp_path: Path) -> None:
    """SIGINT while a function hangs ends the check with exit code 130 and a sentence, and leaves no process."""
    (tmp_path / "hangs.py").write_text(
        "import threading\n"
        "from pipeline import TuneJob, Objective, Uniform\n"
        "def f(config):\n"
        f"    open({str(tmp_path / 'hanging')!r}, 'w').close()\n"
        "    threading.Event().wait()\n"
        "    yield {'score': 1.0}\n"
        "JOB = TuneJob(name='hangs', function=f, space={'x': Uniform(0, 1)}, objectives=[Objective('score', 'max')])\n"
    )
    process = started(
        [*TUNEPIPE, "check", "hangs.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for((tmp_path / "hanging").exists, process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == 130
    assert stderr == "tunepipe: The check was interrupted. It left no files behind.\n"
    assert children
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
