"""Signals to real drivers in the middle of an epoch, under each scheduler, with and without workers."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pandas as pd
import psutil
import pytest

from pipeline import load_results, run
from tests.faults.journaled_study import HELD_AT, JOB, JOURNAL
from tests.processes import TUNEPIPE, started, wait_for
from tests.study_comparison import contradictions, differences, where_both_trained

FILE = Path(__file__).with_name("journaled_study.py")
SIGNALS = {
    "SIGINT": [signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT twice": [signal.SIGINT, signal.SIGINT],
    "SIGKILL": [signal.SIGKILL],
}
SCHEDULERS = ("fifo", "asha", "promoting-asha", "hyperband", "median")
ON_RAY = {
    *(("fifo", name) for name in SIGNALS),
    *(("asha", "SIGTERM"), ("promoting-asha", "SIGINT"), ("hyperband", "SIGINT twice"), ("median", "SIGTERM")),
}
"""Each scheduler once: a driver on Ray needs half a minute, and its killed cluster another one to end."""
SHORT = {(0, "fifo", "SIGKILL")}
"""What `make test` tries of it; `make test-all` tries all."""

CASES = [
    pytest.param(*case, marks=() if case in SHORT else pytest.mark.long, id="-".join(map(str, case)))
    for case in ((workers, scheduler, name) for workers in (0, 2) for scheduler in SCHEDULERS for name in SIGNALS)
    if case[0] == 0 or case[1:] in ON_RAY
]


@pytest.mark.parametrize(("workers", "scheduler", "name"), CASES)
def test_a_driver_that_was_signalled_in_an_epoch_loses_nothing(workers, scheduler, name, tmp_path):
    """A signalled driver exits with 130 without a process left, and a resume gives the undisturbed tables."""
    undisturbed = tmp_path / "undisturbed"
    run(JOB.replaced({"scheduler": scheduler, "resources.workers": 0}), storage=undisturbed, note=lambda _: None)
    wanted = load_results(undisturbed / "journaled")
    journal, reported = tmp_path / "journal", tmp_path / "reported"
    journal.touch()
    at = random.Random(f"{workers} {scheduler} {name}").randint(2, len(wanted.epochs) // 2)
    command = [*TUNEPIPE, "run", str(FILE), "--scheduler", scheduler, "--workers", str(workers)]
    environment = {**os.environ, JOURNAL: str(journal), HELD_AT: str(at), "PYTHONPATH": str(Path.cwd())}
    with reported.open("w") as file:
        driver = started(command, cwd=tmp_path, stdout=file, stderr=file, env=environment)
    try:
        wait_for(Path(f"{journal}-held").exists, driver, reported.read_text)
        children = psutil.Process(driver.pid).children(recursive=True)
        first, *second = SIGNALS[name]
        driver.send_signal(first)
        if second:
            wait_for(lambda: "ends it immediately" in reported.read_text(), driver, reported.read_text)
            driver.send_signal(second[0])
        else:
            Path(f"{journal}-go").touch()
        # After a second signal it ends although the epoch does not.
        code = driver.wait(timeout=200)
    finally:
        Path(f"{journal}-go").touch()
        if driver.poll() is None:
            driver.kill()
            driver.wait()
    assert code == (-signal.SIGKILL if name == "SIGKILL" else 130), reported.read_text()
    assert "Traceback" not in reported.read_text()
    # Ray's agents end by themselves after a killed driver, on a busy machine after more than a minute.
    assert psutil.wait_procs(children, timeout=180)[1] == []
    study = tmp_path / "studies/journaled"
    if name != "SIGKILL":
        left = load_results(study)
        assert left.state == "interrupted"
        if workers == 0 and not second:
            # A paused trial's function is replayed when it continues: epochs that were trained before count once.
            assert len(left.epochs) == len(set(journal.read_text().splitlines()))
        # What ends immediately loses the epochs since the last report, which comes every two seconds.
        assert 0 < len(left.epochs) <= at + workers * JOB.budget.epochs

    again = [*TUNEPIPE, "resume", "journaled"]
    calm = {name: value for name, value in environment.items() if name not in (JOURNAL, HELD_AT)}
    done = subprocess.run(again, cwd=tmp_path, capture_output=True, text=True, timeout=250, env=calm)
    assert done.returncode == 0, done.stderr
    found = load_results(study)
    assert contradictions(found) == []
    if workers == 0 or scheduler == "fifo":
        assert differences(wanted, found) == []
    else:
        # Who is stopped where depends on who reports first.
        one, other = where_both_trained(wanted, found)
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert not [path for path in study.rglob("*") if ".writing-" in path.name]
