"""KubeRay: its definitions, and its operator, which runs with the control plane rather than in a pod."""

import json
import os
from pathlib import Path

from tests.kubernetes.testbed.build import module_folder
from tests.kubernetes.testbed.certificates import kubeconfig
from tests.kubernetes.testbed.control_plane import answers, kubectl
from tests.kubernetes.testbed.place import BIN
from tests.kubernetes.testbed.room import start, wait_for

_OTHER = os.environ.get("TUNEPIPE_TESTBED_OPERATOR")


def start_operator() -> None:
    """Apply the definitions, and start the operator; TUNEPIPE_TESTBED_OPERATOR names a folder with other ones."""
    program = _folder() / "ray-operator" if _OTHER else BIN / "ray-operator"
    kubectl("apply", "--server-side", "-f", str(_definitions()))
    wait_for("KubeRay's definitions", definitions_established, 180)
    identity = kubeconfig("operator", "kuberay-operator", "system:masters")
    start(
        "operator",
        "env",
        f"KUBECONFIG={identity}",
        "ENABLE_WEBHOOKS=false",
        str(program),
        "--enable-leader-election=false",
        *(["--feature-gates=GCSFaultToleranceEmbeddedStorage=true"] if keeps_heads() else []),
        ready=lambda: answers("http://127.0.0.1:8082/readyz"),
    )


def keeps_heads() -> bool:
    """Whether this KubeRay can keep what a head knows on a disk (1.7 and newer)."""
    return "rocksdb" in (_definitions() / "ray.io_rayclusters.yaml").read_text()


def definitions_established() -> bool:
    """Whether the server serves every kind that was defined."""
    # `kubectl wait` and its templates fail where a definition has no conditions yet.
    definitions = json.loads(kubectl("get", "crd", "-o", "json"))["items"]
    conditions = [each["status"].get("conditions") or [] for each in definitions]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)


def _folder() -> Path:
    """The folder with the operator's definitions."""
    return Path(_OTHER) if _OTHER else module_folder("operator", "github.com/ray-project/kuberay/ray-operator")


def _definitions() -> Path:
    return _folder() / "config/crd/bases"
