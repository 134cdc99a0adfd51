"""KubeRay: its definitions, and its operator, which runs with the control plane rather than in a pod."""

import json
import os
from pathlib import Path

from tests.kubernetes.testbed.build import MONITORING, module_folder
from tests.kubernetes.testbed.certificates import kubeconfig
from tests.kubernetes.testbed.control_plane import answers, kubectl
from tests.kubernetes.testbed.place import BIN
from tests.kubernetes.testbed.room import start, wait_for

_OTHER = os.environ.get("TUNEPIPE_TESTBED_OPERATOR")


def start_operator() -> None:
    """Apply the definitions, and start the operator; TUNEPIPE_TESTBED_OPERATOR names a folder with other ones."""
    program = _folder() / "ray-operator" if _OTHER else BIN / "ray-operator"
    kubectl("apply", "--server-side", "-f", str(_folder() / "config/crd/bases"))
    wait_for("KubeRay's definitions", definitions_established, 180)
    identity = kubeconfig("operator", "kuberay-operator", "system:masters")
    start(
        "operator",
        "env",
        f"KUBECONFIG={identity}",
        "ENABLE_WEBHOOKS=false",
        str(program),
        "--enable-leader-election=false",
        ready=lambda: answers("http://127.0.0.1:8082/readyz"),
    )


def definitions_established() -> bool:
    """Whether the server serves every kind that was defined."""
    # `kubectl wait` and its templates fail where a definition has no conditions yet.
    definitions = json.loads(kubectl("get", "crd", "-o", "json"))["items"]
    conditions = [each["status"].get("conditions") or [] for each in definitions]
    return all(any(one["type"] == "Established" and one["status"] == "True" for one in each) for each in conditions)


def _folder() -> Path:
    """The folder with the operator's definitions."""
    return Path(_OTHER) if _OTHER else module_folder("operator", "github.com/ray-project/kuberay/ray-operator")


def define_monitors() -> None:
    """Apply the definitions of PodMonitors and PrometheusRules, which check the chart's objects; nothing reads them."""
    crds = module_folder("monitoring", MONITORING) / "example/prometheus-operator-crd"
    for kind in ("podmonitors", "prometheusrules"):
        kubectl("apply", "--server-side", "-f", str(crds / f"monitoring.coreos.com_{kind}.yaml"))
    wait_for("the definitions of monitors", definitions_established, 180)
