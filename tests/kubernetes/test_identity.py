"""A study on an object store without keys: the value `identity`, also with `caBundle`."""

import json
from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.groups import cluster_with_identity
from tests.kubernetes.testbed.certificates import AUTHORITY
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import exchanged, storage_uri
from tests.kubernetes.user import NAMESPACE, Following, objects, submit, tunepipe

pytestmark = pytest.mark.usefixtures("gone")

COUNTED = str(Path(__file__).with_name("counted.py"))


def test_a_study_on_an_object_store_without_keys(tmp_path, object_store):
    """Head and workers write a study to a bucket with keys that they get for their service account alone."""
    values = cluster_with_identity(tmp_path / "values")
    bucket = storage_uri("lab/studies")
    study = Following(tmp_path, COUNTED, "--workers", "2", "--values", str(values), "--storage", bucket)
    study.until("a worker", lambda: bool(objects("pods", "ray.io/group=gpu-l4")))
    accounts = {each["spec"]["serviceAccountName"] for each in objects("pods", "ray.io/cluster")}
    assert study.ended() == 0, study.reported
    assert accounts == {"tunepipe-storage"}
    results = load_results(storage_uri("lab/studies/counted"))
    assert (len(results.trials), len(results.epochs)) == (4, 12)
    assert {"head", "worker"} <= {kind for pod in exchanged() for kind in ("head", "worker") if f"-{kind}-" in pod}


def test_an_object_store_whose_authority_is_ones_own(tmp_path, secure_object_store):
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
    results = json.loads(tunepipe("results", "counted", "--storage", bucket, "--json"))
    assert (results["state"], len(results["trials"])) == ("finished", 4)
