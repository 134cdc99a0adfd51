"""A study on an object store: servers of S3 and of Google's store over HTTP, and the commands of a user."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import requests

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run
from pipeline.storage import Store
from pipeline.study import Resources
from pipeline.study.files import remove
from tests import command
from tests.gcs import google_store
from tests.processes import wait_for
from tests.recorded_studies import asha_study
from tests.s3 import CREDENTIALS, ObjectStore, object_store
from tests.serving import serving
from tests.slow_study import JOB
from tests.study_comparison import differences

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
FILE = Path(sys.modules[JOB.function.__module__].__file__ or "")


@pytest.fixture(scope="module")
def s3() -> Iterator[ObjectStore]:
    """An S3 server on loopback."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in CREDENTIALS.items():
            environment.setenv(name, value)
        with object_store() as server:
            yield server


@pytest.fixture
def storage(s3: ObjectStore, request: pytest.FixtureRequest) -> str:
    """A prefix of the test's own in the bucket."""
    return s3.uri(f"{request.node.originalname}/studies")


@pytest.fixture(params=["s3", "gs"])
def either_storage(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of the test's own in a bucket of S3, and in one of Google's store."""
    if request.param == "s3":
        yield request.getfixturevalue("storage")
    else:
        with google_store() as server:
            yield server.uri("team/studies")


def tunepipe(*arguments: str, cwd: Path) -> str:
    """Run the command in a folder successfully; return its output."""
    done = subprocess.run([*TUNEPIPE, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.long
def test_a_study_whose_driver_was_killed_equals_an_undisturbed_one(either_storage, tmp_path):
    """A study in a bucket survives kill -9 and resume; all commands read it there, and the local disk stays empty."""
    storage = either_storage
    process = subprocess.Popen(
        [*TUNEPIPE, "run", str(FILE), "--storage", storage, "--trials", "4", "--epochs", "8"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=_environment(),
    )  # fmt: skip
    store = Store(storage).folder("slow-study")
    assert process.stdout is not None
    wait_for(lambda: any(path.startswith("epochs/") for path in store.files()), process, process.stdout.read)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert load_results(store.uri).state != "ended"

    tunepipe("resume", "slow-study", "--storage", storage, cwd=tmp_path)
    run(
        JOB.replaced({"resources.workers": 0, "budget.trials": 4, "budget.epochs": 8}), storage=tmp_path / "undisturbed"
    )
    found = load_results(store.uri)
    assert found.state == "ended"
    assert max(found.epochs["session"]) == 2
    assert differences(load_results(tmp_path / "undisturbed/slow-study"), found) == []

    assert "slow-study  ended, 4 completed" in tunepipe("results", "slow-study", "--storage", storage, cwd=tmp_path)
    assert "trial 0002" in tunepipe("results", store.uri, "--trial", "2", cwd=tmp_path)
    assert "ended" in tunepipe("studies", "--storage", storage, cwd=tmp_path)
    assert "report.html?" in tunepipe("report", "slow-study", "--storage", storage, cwd=tmp_path)
    assert store.read_text("report.html").startswith("<!doctype html>")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["undisturbed"]


def test_the_live_page_shows_the_studies_of_a_bucket(storage, tmp_path):
    local = asha_study(tmp_path, trials=3).store
    store = Store(storage).folder("mnist-asha")
    for path in local.files():
        store.write(path, local.read(path))
    store.write("files/0000/notes.txt", "what a trial wrote")
    with serving(storage) as address:
        study = f"{address}/studies/mnist-asha"

        def text(path: str = "") -> str:
            answer = requests.get(study + path, timeout=60)
            assert answer.status_code == 200, answer.text
            return answer.text

        listed = requests.get(address, timeout=60).text
        assert "mnist-asha" in listed
        assert "ended" in listed
        assert "0002" in text()
        assert "0002" not in text("?where=trial_id%3D%270001%27")
        assert "<svg" in text("/pictures/curves")
        assert "notes.txt" in text("/trials/0000")


def test_a_study_in_a_bucket_is_deleted_object_by_object(either_storage, tmp_path):
    storage = either_storage
    local = asha_study(tmp_path, trials=3).store
    store = Store(storage).folder("mnist-asha")
    for path in local.files():
        store.write(path, local.read(path))
    store.write("checkpoints/0000/000001.ckpt", b"x")
    for path in ("export/my_notes.txt", "checkpoints/mine/thesis.docx", "source/private_key"):
        store.write(path, "mine")
    before = store.files()
    assert Store(storage).folders() == ["mnist-asha"]
    done = command.tunepipe("delete", "mnist-asha", "--yes", "--storage", storage)
    assert done.code == 2
    assert "checkpoints/mine/thesis.docx, export/my_notes.txt, source/private_key" in done.errors
    assert store.files() == before

    assert [str(entry) for entry in remove(store) if entry.kind == "file"] == [
        "checkpoints/mine/thesis.docx", "export/my_notes.txt", "source/private_key",
    ]  # fmt: skip
    assert store.read("source/private_key") == b"mine"
    for path in store.files():
        store.delete(path)
    assert remove(store) == []
    assert store.entries() == []
    assert Store(storage).folders() == []


def test_a_missing_bucket_is_reported_in_a_message(s3):
    uri = s3.uri("studies").replace("bucket", "nowhere")
    done = command.tunepipe("run", "beale", "--workers", "0", "--storage", uri)
    assert done.code == 2
    assert "NO_SUCH_BUCKET" in done.errors
    assert "s3://nowhere/studies/beale/sessions/0001.json?endpoint_override=" in done.errors


def test_a_study_makes_few_requests(s3, storage):
    """A study on S3 sends at most three requests for each trial of a function, and others at a constant rate."""
    trials = 20
    job = TuneJob(
        name="many", function=_count, space={"x": Uniform(0, 1)}, objectives=[Objective("score", "max")],
        scheduler="asha", budget=Budget(trials=trials, epochs=8), resources=Resources(workers=0),
    )  # fmt: skip
    of_trials, others, seconds = _requests(s3, job, storage)
    assert len(of_trials) <= 3 * trials
    assert len(others) <= 80 + 20 * seconds
    paths = [*of_trials, *others]
    assert not any("uploads" in path or "uploadId" in path for path in paths)
    assert sum(path.endswith("/checkpoints/") and path.startswith("GET") for path in paths) <= 3


def _requests(s3: ObjectStore, job: TuneJob, storage: str) -> tuple[list[str], list[str], float]:
    """The requests of a study about its trials' own files, the others, and its seconds."""
    s3.requests.clear()
    started = time.monotonic()
    run(job, storage=storage, note=lambda _: None)
    seconds = time.monotonic() - started
    # Listings name their folder in the query, its slashes quoted.
    paths = [f"{method} {unquote(path)}" for method, path in s3.requests]
    of_trials = [path for path in paths if re.search(r"/(checkpoints|files|logs)/\d{4}", path)]
    # Each file of the code, here those of all tests, is written once.
    return of_trials, [path for path in paths if path not in of_trials and "/source/" not in path], seconds


def _count(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for step in range(8):
        yield {"score": config["x"] * step}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path.cwd())}
