"""A study on an object store without keys: the component `s3-identity`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.groups import overlay_with
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import (
    AUDIENCE,
    KEYS,
    exchanged,
    start_object_store,
    stop_object_store,
    storage_uri,
)
from tests.kubernetes.user import Following, objects

pytestmark = pytest.mark.usefixtures("gone")

ACCOUNT = str(Path(__file__).with_name("identity"))
COUNTED = str(Path(__file__).with_name("counted.py"))
_TOKENS = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"
_PODS = ("headGroupSpec", "workerGroupSpecs/0", "workerGroupSpecs/1")


def of_the_webhook() -> list[dict[str, object]]:
    """The additions of EKS' webhook to pods of an account with an identity, as a patch of the RayCluster."""
    token = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 86400, "path": "token"}}
    environment = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": f"{_TOKENS}/token",
    }
    added: list[tuple[str, dict[str, object]]] = [
        ("volumes", {"name": "identity", "projected": {"sources": [token]}}),
        ("containers/0/volumeMounts", {"name": "identity", "mountPath": _TOKENS, "readOnly": True}),
        *(("containers/0/env", {"name": name, "value": value}) for name, value in environment.items()),
    ]
    return [
        {"op": "add", "path": f"/spec/{pod}/template/spec/{path}/-", "value": value}
        for pod in _PODS
        for path, value in added
    ]


@pytest.fixture
def store(foundation, monkeypatch) -> Iterator[None]:
    """An S3 server for which only an account of the cluster, and this machine, get keys."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    try:
        start_object_store()
        kubectl("apply", "--server-side", "-k", ACCOUNT)
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "-k", ACCOUNT)
        stop_object_store()


def test_a_study_on_an_object_store_without_keys(tmp_path, store):
    """Head and workers write a study to a bucket with keys that they get for their service account alone."""
    # Not a GPU that is only counted, and no volume: the study is in the bucket.
    overlay = overlay_with(
        tmp_path / "overlay", "gpu-l4", "s3-identity/pods", resource=None, alone=True, more=of_the_webhook()
    )
    bucket = storage_uri("lab/studies")
    study = Following(tmp_path, COUNTED, "--workers", "2", "--overlay", str(overlay), "--storage", bucket)
    study.until("a worker", lambda: bool(objects("pods", "ray.io/group=gpu-l4")))
    accounts = {each["spec"]["serviceAccountName"] for each in objects("pods", "ray.io/cluster")}
    assert study.ended() == 0, study.reported
    assert accounts == {"tunepipe-storage"}
    results = load_results(storage_uri("lab/studies/counted"))
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert {"head", "worker"} <= {kind for pod in exchanged() for kind in ("head", "worker") if f"-{kind}-" in pod}
