"""Studies that are stopped through their storage; object stores with and without keys, and one that goes away."""

import json
from pathlib import Path

import pytest

from pipeline import load_results
from tests.command import rows_of
from tests.kubernetes.groups import cluster_with, cluster_with_identity
from tests.kubernetes.testbed.certificates import AUTHORITY
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import KEYS, exchanged, storage_uri, unreachable_object_store
from tests.kubernetes.testbed.place import SHARE
from tests.kubernetes.user import (
    HEAD,
    NAMESPACE,
    SLOW_STUDY,
    WORKERS,
    Following,
    applied,
    objects,
    running,
    submit,
    tunepipe,
)
from tests.manifests import charted
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
    assert (job["status"]["jobDeploymentStatus"], job["status"]["jobStatus"]) == ("Complete", "STOPPED")
    assert not job["status"].get("failed")
    assert study.reported.count("Running entrypoint") <= 1
    assert "stopped" in tunepipe("status", "--kubernetes")
    (session,) = load_results(tmp_path / "studies/slow-study").sessions
    assert session.state == "interrupted"
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


def test_a_study_in_an_object_store_needs_no_claim_and_one_in_a_folder_does(tmp_path, object_store):
    """Its pods have keys of their account alone."""
    values, bucket = str(cluster_with_identity(tmp_path / "values")), storage_uri("lab/studies")
    study = Following(tmp_path, COUNTED, "--workers", "1", "--values", values, "--storage", bucket)
    study.until("a worker", lambda: bool(objects("pods", WORKERS)))
    assert "persistentVolumeClaim" not in json.dumps(objects("pods"))
    assert {each["spec"]["serviceAccountName"] for each in objects("pods", "ray.io/cluster")} == {"tunepipe-storage"}
    where = ("exec", "-n", NAMESPACE, running(HEAD)[0], "-c", "ray-head", "--")
    assert "Read-only file system" in kubectl(*where, "sh", "-c", "touch /studies/a 2>&1 || true")
    assert study.ended() == 0, study.reported
    assert {"head", "worker"} <= {kind for pod in exchanged() for kind in ("head", "worker") if f"-{kind}-" in pod}
    assert "complete" in tunepipe("status", "--kubernetes")
    assert "counted  ended" in tunepipe("logs", "counted", "--kubernetes")
    results = tunepipe("results", "counted", "--kubernetes", "--json")
    assert (json.loads(results)["state"], len(rows_of(results, "trials"))) == ("ended", 4)
    assert "counted-1" in tunepipe("stop", "counted", "--kubernetes")
    assert objects("rayjobs") == []
    values = str(cluster_with_identity(tmp_path / "no claim", storage={"volume": False}))
    code, reported = submit(tmp_path, COUNTED, "--workers", "1", "--values", values)
    assert code == 2, reported
    assert "The study would be lost with its pods" in reported
    assert objects("rayjobs") == []


@pytest.mark.parametrize("object_store", [("http", 9000)], indirect=True)
def test_a_driver_waits_until_a_policy_opens_the_port_of_its_object_store(tmp_path, object_store):
    values = cluster_with(tmp_path / "values", {"gpu": "l4"})
    bucket = storage_uri("lab/studies", port=9000)
    secret = ("secret", "tunepipe-s3", "-n", NAMESPACE)
    keys = [f"--from-literal={name}={value}" for name, value in KEYS.items() if name.startswith("AWS_")]
    kubectl("create", secret[0], "generic", *secret[1:], *keys)
    try:
        study = Following(tmp_path, COUNTED, "--workers", "2", "--values", str(values), "--storage", bucket)
        study.until("the driver to wait", lambda: "The driver waits for the storage" in study.reported)
        with applied(charted(objectStore={"port": 9000})["NetworkPolicy", "s3"]):
            assert study.ended() == 0, study.reported
    finally:
        kubectl("delete", *secret)
    results = load_results(storage_uri("lab/studies/counted", port=9000))
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert all("gpu-l4" in str(node) for node in results.epochs["node"])


@pytest.mark.parametrize("object_store", [("https", 443)], indirect=True)
def test_an_object_store_whose_authority_is_ones_own(tmp_path, object_store):
    """With `caBundle`, a study is on a store whose certificate an authority of the user has signed."""
    bucket = storage_uri("lab/studies", "https")
    kubectl("create", "configmap", "tunepipe-ca", "-n", NAMESPACE, f"--from-file=ca.crt={AUTHORITY}")
    try:
        values = cluster_with_identity(tmp_path / "values", caBundle="tunepipe-ca")
        code, reported = submit(tmp_path, COUNTED, "--workers", "1", "--values", str(values), "--storage", bucket)
        assert code == 0, reported
    finally:
        kubectl("delete", "configmap", "tunepipe-ca", "-n", NAMESPACE)
    # This process has read its own certificates long ago.
    results = tunepipe("results", "counted", "--storage", bucket, "--json")
    assert (json.loads(results)["state"], len(rows_of(results, "trials"))) == ("ended", 4)
