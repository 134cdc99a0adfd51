"""A full disk and a storage that becomes read-only: real mounts for the processes of a test."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from pipeline import load_results, run
from tests.pausable_study import JOB, PLACE, STUDY

FILE = Path(__file__).parents[1] / "pausable_study.py"
OWN_MOUNTS = ["unshare", "--map-root-user", "--mount"]

SCRIPT = """
set -u
tunepipe() { "$PYTHON" -m pipeline.cli.app "$@"; }
mount -t tmpfs -o size=4m tmpfs "$DISK"
tunepipe run "$JOB" --storage "$DISK" --workers $WORKERS 2> "$PLACE/reported" & driver=$!
until [ -e "$PLACE/held" ]; do kill -0 $driver || exit 9; sleep 0.05; done
$FAULT
touch "$PLACE/go"
wait $driver; echo $? > "$PLACE/code"
cp -r "$DISK/pausable" "$PLACE/left"
$MEND
tunepipe resume pausable --storage "$DISK" 2> "$PLACE/resumed"; echo $? > "$PLACE/code-resumed"
cp -r "$DISK/pausable" "$PLACE/whole"
"""

FAULTS = {
    "full": ('head -c 8m /dev/zero > "$DISK/filler"', 'rm "$DISK/filler"', "No space left on device"),
    "read-only": ('mount -o remount,ro "$DISK"', 'mount -o remount,rw "$DISK"', "Read-only file system"),
}


@pytest.fixture
def mounts():
    """Skips with a reason if a process may not have its own mounts."""
    if shutil.which("unshare") is None or subprocess.run([*OWN_MOUNTS, "true"], capture_output=True).returncode:
        pytest.skip("this machine gives no process mounts of its own (unshare --map-root-user --mount)")


@pytest.mark.long
@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize(
    ("fault", "workers"),
    [("full", 0), ("full", 2), ("read-only", 0)],
    ids=["full", "full-on-ray", "read-only"],
)
def test_a_study_survives_its_storage(fault, workers, tmp_path):
    """A full or lost storage ends the study with a message and exit code 2, and a resume gives the same tables."""
    break_, mend, reported = FAULTS[fault]
    disk, place = tmp_path / "disk", tmp_path / "place"
    disk.mkdir()
    place.mkdir()
    script = SCRIPT.replace("$FAULT", break_).replace("$MEND", mend).replace("$WORKERS", str(workers))
    environment = {"PYTHON": sys.executable, "DISK": str(disk), "JOB": str(FILE), "PLACE": str(place)}
    done = subprocess.run(
        [*OWN_MOUNTS, "bash", "-c", script], cwd=Path.cwd(), capture_output=True, text=True,
        env={**os.environ, **environment, PLACE: str(place), STUDY: str(disk / "pausable")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    message = (place / "reported").read_text()
    assert (place / "code").read_text() == "2\n", message
    assert "Traceback" not in message
    assert reported in message
    assert "resume" in message
    assert (place / "code-resumed").read_text() == "0\n", (place / "resumed").read_text()

    left, whole = load_results(place / "left"), load_results(place / "whole")
    run(JOB.replaced({"resources.workers": 0}), storage=tmp_path / "undisturbed")
    undisturbed = load_results(tmp_path / "undisturbed/pausable")
    columns = ["trial_id", "epoch", "config_x", "score", "half"]
    pd.testing.assert_frame_equal(whole.epochs[columns], undisturbed.epochs[columns], check_exact=True)
    assert set(whole.trials["state"]) == {"completed"}
    kept = whole.epochs.merge(left.epochs[columns], on=columns)
    assert len(kept) == len(left.epochs) > 0
    assert not [path for path in (place / "whole").rglob("*") if ".writing-" in path.name]
