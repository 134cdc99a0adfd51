"""Kueue: its definitions and webhooks, and its process, which runs with the control plane rather than in a pod."""

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from tests.kubernetes.testbed.build import build_kueue, module_folder
from tests.kubernetes.testbed.certificates import FOLDER, kubeconfig
from tests.kubernetes.testbed.control_plane import answers, kubectl
from tests.kubernetes.testbed.operator import definitions_established
from tests.kubernetes.testbed.place import BED, Addresses
from tests.kubernetes.testbed.room import runs, start, stop, wait_for

_CERTIFICATES = FOLDER / "kueue"
_NAMESPACE = "kueue-system"
_WEBHOOKS = "kueue-webhook-service"
_IN_PODS = ("APIService", "Deployment")
"""What asks for Kueue's own pods: a process takes their place, and its API for looking at queues is not used."""


def start_kueue() -> None:
    """Build Kueue if it is missing, apply what it needs, and start it as a cluster's administrator would."""
    program = build_kueue()
    folder = module_folder("kueue", "sigs.k8s.io/kueue")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", said=yaml.safe_dump_all(_objects(folder)))
    wait_for("Kueue's definitions", definitions_established, 180)
    start(
        "kueue",
        "env",
        f"KUBECONFIG={kubeconfig('kueue', 'kueue', 'system:masters')}",
        str(program),
        f"--config={_configuration(folder)}",
        # KubeRay's operator has the port of its API for looking at queues.
        "--feature-gates=VisibilityOnDemand=false",
        ready=_is_ready,
    )


def stop_kueue() -> None:
    """End Kueue; delete its webhooks, which refuse all pods while it does not answer, and its definitions and objects.

    This also cleans up after a start that failed halfway.
    """
    if runs("kueue"):
        kinds = "localqueues,clusterqueues,resourceflavors,workloads"
        # Their finalizers are Kueue's to remove.
        kubectl("delete", kinds, "--all", "--all-namespaces", "--timeout=60s")
        stop("kueue")
    folder = module_folder("kueue", "sigs.k8s.io/kueue")
    kubectl("delete", "--ignore-not-found", "--timeout=60s", "-f", "-", said=yaml.safe_dump_all(_objects(folder)))


def _objects(folder: Path) -> list[dict[str, Any]]:
    """The objects of Kueue's own overlay except its pods, with a service for the process."""
    rendered = [each for each in yaml.safe_load_all(kubectl("kustomize", str(folder / "config/default"))) if each]
    objects = [each for each in rendered if each["kind"] not in _IN_PODS]
    (service,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == ("Service", _WEBHOOKS))
    del service["spec"]["selector"]
    address = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": _WEBHOOKS, "namespace": _NAMESPACE, "labels": {"kubernetes.io/service-name": _WEBHOOKS}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [Addresses.BRIDGE], "conditions": {"ready": True}}],
        "ports": [{"name": "", "port": 9443, "protocol": "TCP"}],
    }
    return [*objects, address]


def _configuration(folder: Path) -> Path:
    """Kueue's configuration file for one process with its certificates in a folder of the test bed."""
    shipped = folder / "config/components/manager/controller_manager_config.yaml"
    settings = yaml.safe_load(shipped.read_text())
    settings["leaderElection"]["leaderElect"] = False
    settings["webhook"]["certDir"] = str(_CERTIFICATES)
    _CERTIFICATES.mkdir(exist_ok=True)
    path = BED / "kueue.yaml"
    path.write_text(yaml.safe_dump(settings))
    return path


def _is_ready() -> bool:
    """Whether it answers, once it has the certificates that it makes as files, which a kubelet would mount."""
    found = json.loads(kubectl("get", "secret", "kueue-webhook-server-cert", "-n", _NAMESPACE, "-o", "json"))
    for name, content in (found.get("data") or {}).items():
        (_CERTIFICATES / name).write_bytes(base64.b64decode(content))
    return answers("http://127.0.0.1:8081/readyz")
