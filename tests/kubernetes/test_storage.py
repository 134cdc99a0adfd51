"""What only the storage says: a stop, the end of a deleted RayJob; storages that go away; studies without a volume."""

import json
from pathlib import Path

import pytest

from pipeline import load_results
from pipeline.cluster.rayjobs import state
from tests.kubernetes.groups import cluster_with_identity
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import storage_uri, unreachable_object_store
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.user import (
    HEAD,
    NAMESPACE,
    SLOW_STUDY,
    WORKERS,
    Following,
    objects,
    running,
    submit,
    tunepipe,
)
from tests.study_comparison import differences

COUNTED = str(Path(__file__).with_name("counted.py"))
pytestmark = pytest.mark.usefixtures("gone")


def stopped_elsewhere() -> None:
    """`tunepipe stop` on another machine that has mounted the volume."""
    assert "interrupted" in tunepipe("stop", "slow-study", "--storage", str(SHARE))


def stopped_on_the_head() -> None:
    """`tunepipe stop` in the head's pod, where the driver runs."""
    where = ("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--")
    assert "interrupted" in kubectl(*where, "tunepipe", "stop", "slow-study", "--storage", "/studies")


@pytest.mark.parametrize("stop", [stopped_elsewhere, stopped_on_the_head], ids=["elsewhere", "on the head"])
def test_a_study_is_stopped_through_its_storage(tmp_path, undisturbed, stop):
    """A study stopped in its storage ends with code 130 and on no other cluster; submitted again, it completes."""
    study = Following(tmp_path, *SLOW_STUDY)
    study.until("a trial to train", lambda: study.has_trained)
    stop()
    assert study.ended() == 130, study.reported
    (job,) = objects("rayjobs")
    assert (state(job), job["status"]["jobStatus"]) == ("Complete", "STOPPED")
    assert not job["status"].get("failed")
    assert study.reported.count("Running entrypoint") <= 1
    assert "stopped" in tunepipe("status", "--kubernetes")
    (session,) = load_results(tmp_path / "studies/slow-study").sessions
    assert session["state"] == "interrupted"
    again = Following(tmp_path, *SLOW_STUDY)
    assert again.ended() == 0, again.reported
    assert differences(undisturbed, load_results(tmp_path / "studies/slow-study")) == []


def test_an_object_store_is_away_for_a_while(tmp_path, undisturbed, object_store):
    """A study whose object store goes away completes on another cluster once it is back, and no result is lost."""
    bucket = storage_uri("lab/studies")
    values = cluster_with_identity(tmp_path / "values")
    words = (*SLOW_STUDY[: SLOW_STUDY.index("--gpus-per-trial")], "--values", str(values), "--storage", bucket)
    study = Following(tmp_path, *words)
    study.until("a trial to train", lambda: study.has_trained)
    # What the driver prints is recorded a little later.
    study.until("an epoch in the storage", lambda: len(load_results(storage_uri("lab/studies/slow-study")).epochs) > 0)
    with unreachable_object_store():
        study.until("another cluster", lambda: bool(objects("rayjobs")[0]["status"].get("failed")))
        study.until("its driver", lambda: "The driver waits for the storage" in study.reported)
    assert study.ended() == 0, study.reported
    found = load_results(storage_uri("lab/studies/slow-study"))
    assert len(found.sessions) == 2
    assert differences(undisturbed, found) == []


def test_a_study_without_a_volume(tmp_path, object_store):
    """A study in an object store runs and is read without a claim (`no-volume/pods`); one in a folder is refused."""
    values = str(cluster_with_identity(tmp_path / "values", storage={"volume": False}))
    bucket = storage_uri("lab/studies")
    study = Following(tmp_path, COUNTED, "--workers", "1", "--values", values, "--storage", bucket)
    study.until("a worker", lambda: bool(objects("pods", WORKERS)))
    assert "persistentVolumeClaim" not in json.dumps(objects("pods"))
    where = ("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--")
    assert "Read-only file system" in kubectl(*where, "sh", "-c", "touch /studies/a 2>&1 || true")
    assert study.ended() == 0, study.reported
    assert "complete" in tunepipe("status", "--kubernetes")
    assert "counted  finished" in tunepipe("logs", "counted", "--kubernetes")
    results = json.loads(tunepipe("results", "counted", "--kubernetes", "--json"))
    assert (results["state"], len(results["trials"])) == ("finished", 4)
    assert "counted-1" in tunepipe("stop", "counted", "--kubernetes")
    assert objects("rayjobs") == []
    code, reported = submit(tmp_path, COUNTED, "--workers", "1", "--values", values)
    assert code == 2, reported
    assert "The study would be lost with its pods" in reported
    assert objects("rayjobs") == []
