"""A study on an object store with keys from a Secret: the value `objectStore.port`."""

from pathlib import Path

import pytest

from pipeline import load_results
from tests.kubernetes.groups import cluster_with
from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.object_store import KEYS, storage_uri
from tests.kubernetes.user import NAMESPACE, Following, applied
from tests.manifests import charted

pytestmark = pytest.mark.usefixtures("gone")

COUNTED = str(Path(__file__).with_name("counted.py"))


def test_an_object_store_on_port_9000(tmp_path, object_store_on_port_9000):
    """A driver waits for its object store on port 9000 until a policy opens it, then uses its keys."""
    values = cluster_with(tmp_path / "values", {"gpu": "l4"}, gpus=False, alone=True)
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
