"""A study on a real Ray cluster of several nodes: a node is killed, then the head with the driver."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import load_results, run
from pipeline.results import Results
from tests.faults.slow_study import JOB
from tests.faults.study_comparison import comparable, differences
from tests.integration.nodes import Nodes, nodes
from tests.processes import TUNEPIPE, started, wait_for

FILE = Path(__file__).with_name("slow_study.py")


@pytest.fixture
def cluster(tmp_path):
    """A cluster that is not yet started."""
    (tmp_path / "nodes").mkdir()
    with nodes(tmp_path / "nodes") as cluster:
        yield cluster


class Submitted:
    """`tunepipe submit` as a process that follows the study."""

    def __init__(self, cluster: Nodes, storage: Path, reported: Path) -> None:
        self._reported = reported
        with reported.open("wb") as file:
            self.process = started(
                [*TUNEPIPE, "submit", str(FILE), "--storage", str(storage), "--address", cluster.address],
                cwd=reported.parent, stdout=file, stderr=file, env=cluster.environment,
            )  # fmt: skip

    @property
    def reported(self) -> str:
        """The output so far."""
        return self._reported.read_text()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Poll until a condition holds; fail immediately if the process has ended."""
        wait_for(condition, self.process, lambda: self.reported)


# The core of tests/kubernetes, which CI runs, deletes a worker and the head of a real cluster.
@pytest.mark.long
def test_a_study_whose_node_and_head_were_killed_equals_an_undisturbed_one(cluster, tmp_path, capsys):
    """A submitted study whose node, then head, is killed has the same results after another submission."""
    (tmp_path / "here").mkdir()
    storage, study = tmp_path / "studies", tmp_path / "studies/slow-study"
    cluster.start("one", "two")
    first = Submitted(cluster, storage, tmp_path / "here/first")
    first.wait_for(lambda: _epochs(study) >= 12)
    node = cluster.kill("one")
    _say(capsys, f"worker node killed: {len(node)} processes, {_epochs(study)} of 128 epochs recorded")
    again = Submitted(cluster, storage, tmp_path / "here/again")
    again.wait_for(
        lambda: "is already running as slow-study-1" in again.reported and "Running entrypoint" in again.reported
    )
    again.process.send_signal(signal.SIGINT)
    assert again.process.wait(timeout=30) == 130
    assert "slow-study-1 continues" in again.reported
    first.wait_for(lambda: _retried(study) and _epochs(study) >= 36)

    head = cluster.kill("head")
    _say(capsys, f"head killed with the driver: {len(head)} processes, {_epochs(study)} epochs recorded")
    assert first.process.wait(timeout=120) == 2, first.reported
    assert "`tunepipe submit` with the same storage" in " ".join(first.reported.split())
    assert "Traceback (most recent call last)" not in first.reported
    before = _epochs(study)
    assert 36 <= before < 128
    cluster.kill("two")

    cluster.start("three", "four")
    second = Submitted(cluster, storage, tmp_path / "here/second")
    assert second.process.wait(timeout=150) == 0, second.reported
    found = load_results(study)
    _say(capsys, f"study {found.state}: {len(found.epochs)} epochs, of them {before} from before the head was lost")
    run(JOB.replaced({"resources.workers": 0}), storage=tmp_path / "undisturbed")
    undisturbed = load_results(tmp_path / "undisturbed/slow-study")
    assert differences(undisturbed, found) == []
    rows = " + ".join(str(len(table)) for table in comparable(undisturbed))
    _say(capsys, f"{rows} rows of epochs, trials and decisions equal those of the undisturbed study")
    assert set(found.epochs["session"]) == {1, 2}
    assert max(found.trials["attempts"]) > 1
    assert "slow-study  finished, 8 completed" in second.reported
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
    """Report to the reader of the run, whether it passes or not."""
    with capsys.disabled():
        print(f"\n  {what}", end="", flush=True)
