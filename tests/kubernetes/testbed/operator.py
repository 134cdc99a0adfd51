"""KubeRay: its definitions, and its operator, which runs beside the control plane rather than in a pod."""

import json

from tests.kubernetes.testbed.build import module_folder
from tests.kubernetes.testbed.certificates import kubeconfig
from tests.kubernetes.testbed.control_plane import answers, kubectl
from tests.kubernetes.testbed.place import BIN
from tests.kubernetes.testbed.room import start, wait_for

__all__ = ["definitions_established", "start_operator"]


def start_operator() -> None:
    """Apply the definitions, and start the operator."""
    folder = module_folder("operator", "github.com/ray-project/kuberay/ray-operator")
    kubectl("apply", "--server-side", "-f", str(folder / "config/crd/bases"))
    wait_for("KubeRay's definitions", definitions_established, 30)
    identity = kubeconfig("operator", "kuberay-operator", "system:masters")
    start(
        "operator",
        "env",
        f"KUBECONFIG={identity}",
        "ENABLE_WEBHOOKS=false",
        f"{BIN}/ray-operator",
        "--enable-leader-election=false",
        ready=lambda: answers("http://127.0.0.1:8082/readyz"),
    )


def definitions_established() -> bool:
    """Whether the server serves every kind that was defined."""
    # `kubectl wait` and its templates fail where a definition has no conditions yet.
    definitions = json.loads(kubectl("get", "crd", "-o", "json"))["items"]
    conditions = [each["status"].get("conditions") or [] for each in definitions]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)
