"""The Helm chart with many of its values, and the plain manifests, as a real Kubernetes takes them."""

import pytest
import yaml

from tests.kubernetes.testbed.control_plane import kubectl
from tests.manifests import charted

pytestmark = pytest.mark.core

STRICT = ("--server-side", "--dry-run=server", "--validate=strict")


def test_a_server_takes_the_chart(bed):
    """Kubernetes admits every object of the chart, those for Prometheus included, and what values add."""
    objects = charted(
        namespace={"name": "by-helm"}, monitoring={"enabled": True, "labels": {"release": "stack"}}, cloud="gke",
        groups=[{"gpu": "l4", "spot": True}, {"gpu": "a100", "mig": "1g.10gb", "max": 2}], objectStore={"port": 9000},
        quota={"hard": {"pods": 60, "requests.nvidia.com/gpu": "12"}}, imagePullSecrets=[{"name": "lab"}],
        storage={"className": "fast"}, labels={"cost-center": "a"}, https={"networks": ["10.0.0.0/8"]},
        identity={"enabled": True}, caBundle="tunepipe-ca", runtimeClass="nvidia",
    )  # fmt: skip
    kubectl("create", "namespace", "by-helm")
    try:
        result = kubectl("apply", *STRICT, "-f", "-", said=yaml.safe_dump_all(objects.values()))
        assert len(result.splitlines()) == len(objects)
    finally:
        kubectl("delete", "namespace", "by-helm")
