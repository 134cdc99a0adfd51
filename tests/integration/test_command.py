"""The command as a person or a script uses it: real processes, exit codes, stdout and stderr."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from pipeline import load_results
from tests.processes import TUNEPIPE, started, wait_for


def tunepipe(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Call the command in a folder, in its own process."""
    return subprocess.run([*TUNEPIPE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("arguments", "reported"),
    [
        (["run", "mnist-ahsa"], "Did you mean 'mnist-asha'?"),
        (["run", "beale", "--workers", "1", "--set", "resources.cpus=1000"], "requests 1000 CPUs"),
    ],
)
def test_a_mistake_ends_in_a_message_and_exit_code_2(arguments, reported, tmp_path):
    """A mistake is printed on a process's stderr without a traceback, and stdout is empty."""
    done = tunepipe(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert reported in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_job_file_of_ones_own_runs_from_any_folder(tmp_path):
    """A user's job file, with a module next to it that it imports, runs on a real worker from any folder."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/shape.py").write_text("def height(x):\n    return 1 - (x - 0.3) ** 2\n")
    (tmp_path / "mine/hill.py").write_text(
        "from pipeline import TuneJob, Objective, Uniform, Budget\n"
        "from shape import height\n"
        "def climb(config):\n"
        "    yield {'height': height(config['x'])}\n"
        "JOB = TuneJob(name='hill', function=climb, space={'x': Uniform(0, 1)},\n"
        "              objectives=[Objective('height', 'max')], budget=Budget(trials=4, epochs=1))\n"
    )
    done = tunepipe("run", "mine/hill.py", "--workers", "1", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["best"]["value"] > 0.9


def test_ctrl_c_leaves_whole_tables_and_no_process(tmp_path):
    """SIGINT during a study on Ray ends it with exit code 130, complete tables and no running process."""
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "from pipeline import TuneJob, Objective, Uniform, Budget\n"
        "def f(config):\n"
        "    for step in range(10_000):\n"
        "        time.sleep(0.01)\n"
        "        yield {'score': config['x'] + step}\n"
        "JOB = TuneJob(name='slow', function=f, space={'x': Uniform(0, 1)}, scheduler='fifo',\n"
        "              objectives=[Objective('score', 'max')], budget=Budget(trials=4, epochs=10_000))\n"
    )
    process = started(
        [*TUNEPIPE, "run", "slow.py", "--workers", "1"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, env={**os.environ, "TUNEPIPE_TEST": "1"},
    )  # fmt: skip
    study = tmp_path / "studies/slow"
    wait_for(lambda: list(study.glob("epochs/*.parquet")), process)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "tunepipe resume slow" in " ".join(stderr.split())
    assert "Traceback" not in stderr
    results = load_results(study)
    assert results.state == "interrupted"
    assert set(results.trials["state"]) == {"paused"}
    assert not results.epochs.duplicated(["trial_id", "epoch"]).any()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert alive == []
    assert not [path for path in study.rglob("*") if ".writing-" in path.name]


def test_ctrl_c_while_the_workers_start_is_handled(tmp_path):
    """SIGINT before the first trial prints a sentence, exits with 130, and leaves no process or empty study."""
    process = started(
        [*TUNEPIPE, "run", "beale", "--trials", "2", "--workers", "1"], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    study = tmp_path / "studies/beale"
    wait_for((study / "study.json").exists, process)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "was interrupted. It was removed, and its name can be used again" in stderr
    assert "Traceback" not in stderr
    assert not study.exists()
