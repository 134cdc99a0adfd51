"""A study on an object store: moto's S3 server over HTTP, and the commands as a person calls them."""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from pipeline import load_results, run
from pipeline.storage import Store
from tests.faults.comparing import differences
from tests.faults.lasting import JOB

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
FILE = Path(sys.modules[JOB.function.__module__].__file__ or "")
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An S3 server on loopback with one bucket, named bucket; its HOST:PORT."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        urlopen(Request(f"http://{host}:{port}/bucket", method="PUT")).close()
        yield f"{host}:{port}"
        server.stop()


@pytest.fixture
def storage(endpoint: str, request: pytest.FixtureRequest) -> str:
    """A prefix of the test's own in the bucket."""
    return f"s3://bucket/{request.node.name}/studies?endpoint_override={endpoint}&scheme=http&region=us-east-1"


def tunepipe(*arguments: str, cwd: Path) -> str:
    """Call the command in a folder, to a good end; what it printed."""
    done = subprocess.run([*TUNEPIPE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_study_on_s3_whose_driver_was_killed_equals_one_in_peace(storage, tmp_path):
    """Run, kill -9, resume, results, logs, report, studies: all of it in the bucket, nothing on this disk."""
    process = subprocess.Popen(
        [*TUNEPIPE, "run", str(FILE), "--storage", storage, "--trials", "4", "--epochs", "8"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(),
    )  # fmt: skip
    store = Store(storage).folder("lasting")
    _wait_for(lambda: any(path.startswith("epochs/") for path in store.files()), process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert load_results(store.uri).state != "finished"

    tunepipe("resume", "lasting", "--storage", storage, cwd=tmp_path)
    run(JOB.replaced({"resources.workers": 0, "budget.trials": 4, "budget.epochs": 8}), storage=tmp_path / "peace")
    found = load_results(store.uri)
    assert found.state == "finished"
    assert max(found.epochs["session"]) == 2
    assert differences(load_results(tmp_path / "peace/lasting"), found) == []

    assert "lasting  finished, 4 completed" in tunepipe("results", "lasting", "--storage", storage, cwd=tmp_path)
    assert "trial 0002" in tunepipe("results", store.uri, "--trial", "2", cwd=tmp_path)
    assert "finished" in tunepipe("studies", "--storage", storage, cwd=tmp_path)
    assert "report.html?" in tunepipe("report", "lasting", "--storage", storage, cwd=tmp_path)
    assert store.read_text("report.html").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["peace"]


@pytest.mark.long
def test_a_winner_on_s3_is_exported(storage, tmp_path):
    """A Keras study in the bucket; its winner's files come to this disk."""
    small = ["--trials", "2", "--epochs", "1", "--workers", "0"]
    tunepipe("run", "digits-quick", *small, "--storage", storage, cwd=tmp_path)
    tunepipe("export", "digits-quick", "--storage", storage, "--to", "best", cwd=tmp_path)
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [
        "architecture.json", "model.keras", "model.weights.h5", "winner.json",
    ]  # fmt: skip


def test_a_bucket_that_is_not_there_is_told_in_a_paragraph(endpoint, tmp_path):
    """Exit code 2; the place is named as it would be written on a command line."""
    uri = f"s3://nowhere/studies?endpoint_override={endpoint}&scheme=http&region=us-east-1"
    done = subprocess.run(
        [*TUNEPIPE, "run", "beale", "--workers", "0", "--storage", uri],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "NO_SUCH_BUCKET" in done.stderr
    assert "s3://nowhere/studies/beale/sessions/0001.json?endpoint_override=" in done.stderr


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path.cwd())}


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Poll until a condition holds; fail at once if the process has ended."""
    while not condition():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        try:
            process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            continue
