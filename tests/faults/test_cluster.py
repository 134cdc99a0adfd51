"""A study submitted to a real Ray cluster of several nodes: a node is killed under it, then head and driver."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.results import Results
from tests.faults.comparing import comparable, differences
from tests.faults.lasting import JOB
from tests.integration.nodes import Nodes, nodes

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
FILE = Path(__file__).with_name("lasting.py")


@pytest.fixture
def cluster(tmp_path):
    """A cluster that is not yet started."""
    (tmp_path / "nodes").mkdir()
    with nodes(tmp_path / "nodes") as cluster:
        yield cluster


class Submitted:
    """`tunepipe submit` as a process that follows the study."""

    def __init__(self, cluster: Nodes, storage: Path, told: Path) -> None:
        self._told = told
        with told.open("wb") as file:
            self.process = subprocess.Popen(
                [*TUNEPIPE, "submit", str(FILE), "--storage", str(storage), "--address", cluster.address],
                cwd=told.parent, stdout=file, stderr=file, env=cluster.environment,
            )  # fmt: skip

    @property
    def told(self) -> str:
        """What it has printed."""
        return self._told.read_text()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Poll until a condition holds; fail at once if the process has ended."""
        while not condition():
            assert self.process.poll() is None, self.told
            try:
                self.process.wait(timeout=0.25)
            except subprocess.TimeoutExpired:
                continue


def test_a_study_whose_node_and_head_were_killed_equals_one_in_peace(cluster, tmp_path, capsys):
    """Submitted over HTTP; a worker node dies, then the head with the driver; submitted again it ends as in peace."""
    (tmp_path / "here").mkdir()
    storage, study = tmp_path / "studies", tmp_path / "studies/lasting"
    cluster.start("one", "two")
    first = Submitted(cluster, storage, tmp_path / "here/first")
    first.wait_for(lambda: _epochs(study) >= 12)
    node = cluster.kill("one")
    _say(capsys, f"worker node killed: {len(node)} processes, {_epochs(study)} of 128 epochs recorded")
    again = Submitted(cluster, storage, tmp_path / "here/again")
    again.wait_for(lambda: "is at work already as lasting-1" in again.told and "Running entrypoint" in again.told)
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(timeout=30) == 130
    assert "lasting-1 goes on without you" in again.told
    first.wait_for(lambda: _retried(study) and _epochs(study) >= 36)

    head = cluster.kill("head")
    _say(capsys, f"head killed with the driver: {len(head)} processes, {_epochs(study)} epochs recorded")
    assert first.process.wait(timeout=120) == 2, first.told
    assert "`tunepipe submit` with the same storage" in " ".join(first.told.split())
    assert "Traceback (most recent call last)" not in first.told
    before = _epochs(study)
    assert 36 <= before < 128
    cluster.kill("two")

    cluster.start("three", "four")
    second = Submitted(cluster, storage, tmp_path / "here/second")
    assert second.process.wait(timeout=150) == 0, second.told
    found = load_results(study)
    _say(capsys, f"study {found.state}: {len(found.epochs)} epochs, of them {before} from before the head was lost")
    run(JOB.replaced({"resources.workers": 0}), storage=tmp_path / "peace")
    peace = load_results(tmp_path / "peace/lasting")
    assert differences(peace, found) == []
    rows = " + ".join(str(len(table)) for table in comparable(peace))
    _say(capsys, f"{rows} rows of epochs, trials and decisions equal those of the undisturbed study")
    assert set(found.epochs["session"]) == {1, 2}
    assert max(found.trials["attempts"]) > 1
    assert "lasting  finished, 8 completed" in second.told
    listed = _tunepipe(cluster, "status", cwd=tmp_path / "here")
    assert "succeeded" in listed.stdout


def _results(study: Path) -> Results | None:
    return load_results(study) if list(study.glob("epochs/*.parquet")) else None


def _epochs(study: Path) -> int:
    found = _results(study)
    return 0 if found is None else len(found.epochs)


def _retried(study: Path) -> bool:
    found = _results(study)
    return found is not None and "retry" in set(found.decisions["kind"])


def _tunepipe(cluster: Nodes, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*TUNEPIPE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=60,
        env={**cluster.environment, "RAY_API_SERVER_ADDRESS": cluster.address},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def _say(capsys: pytest.CaptureFixture[str], what: str) -> None:
    """Tell the run's reader, passing or not."""
    with capsys.disabled():
        print(f"\n  {what}", end="", flush=True)
