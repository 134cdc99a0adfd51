"""`tunepipe check` of a job that hangs, in real processes."""

import signal
import subprocess
from pathlib import Path

import psutil

from tests.processes import TUNEPIPE, started, wait_for


def test_ctrl_c_ends_a_check_and_its_process(tmp_path: Path) -> None:
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
    assert psutil.wait_procs(children, timeout=20)[1] == []
