"""The foundation's NetworkPolicies as a policy engine enforces them: pods that try to connect.

KubeRay's operator is a process of the test bed's, on the nodes' address, which every engine lets through: a pod
with its labels stands in here.
"""

import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.kubernetes.testbed.control_plane import KUBECTL, kubectl
from tests.kubernetes.testbed.images import NAMES
from tests.kubernetes.user import NAMESPACE, restricted_pod

pytestmark = pytest.mark.core

DNS, HTTPS, GCS, METRICS, DASHBOARD = 53, 443, 6379, 8080, 8265
PORTS = (DNS, HTTPS, GCS, METRICS, DASHBOARD)
MADE = ("monitoring", "kuberay-operator")
"""Namespaces that the test makes."""
SERVER = "kubernetes.default.svc.cluster.local"
OURS = {"app.kubernetes.io/part-of": "tunepipe"}


@dataclass(frozen=True)
class Pod:
    """A pod that listens on all PORTS."""

    namespace: str
    labels: dict[str, str] = field(default_factory=dict)
    node: str = "cpu"


PODS = {
    "head": Pod(NAMESPACE, {**OURS, "ray.io/node-type": "head"}),
    "worker": Pod(NAMESPACE, {**OURS, "ray.io/node-type": "worker"}, node="gpu"),
    "page": Pod(NAMESPACE, {**OURS, "app.kubernetes.io/name": "tunepipe-page"}, node="gpu"),
    "stranger": Pod(NAMESPACE),
    "talker": Pod(NAMESPACE, {"may": "talk"}),
    "operator": Pod("kuberay-operator", {"app.kubernetes.io/name": "kuberay-operator"}),
    "impostor": Pod("default", {"app.kubernetes.io/name": "kuberay-operator"}),
    "other": Pod("default", node="gpu"),
    "prometheus": Pod("monitoring"),
    "names": Pod("kube-system"),
}
TALK = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "talk", "namespace": NAMESPACE},
    "spec": {"podSelector": {"matchLabels": {"may": "talk"}}, "policyTypes": ["Egress"], "egress": [{}]},
}
"""Lets one pod reach whomever lets it in: what it does not reach has refused it."""

LET_THROUGH = [
    ("worker", "head", GCS), ("worker", "head", DASHBOARD), ("head", "worker", GCS), ("operator", "head", DASHBOARD),
    ("prometheus", "head", METRICS), ("prometheus", "worker", METRICS), ("head", SERVER, HTTPS),
    ("worker", "names", DNS), ("stranger", "names", DNS), ("worker", "other", HTTPS), ("page", "other", HTTPS),
    ("page", "names", DNS), ("operator", "other", GCS), ("talker", "other", GCS), ("talker", SERVER, HTTPS),
]  # fmt: skip
REFUSED = [
    ("talker", "head", DASHBOARD), ("talker", "head", GCS), ("talker", "head", METRICS), ("talker", "worker", GCS),
    ("stranger", SERVER, HTTPS), ("worker", SERVER, HTTPS), ("page", SERVER, HTTPS), ("stranger", "other", HTTPS),
    ("other", "head", DASHBOARD), ("other", "head", METRICS), ("other", "head", GCS), ("other", "worker", METRICS),
    ("operator", "head", GCS), ("operator", "worker", DASHBOARD), ("impostor", "head", DASHBOARD),
    ("prometheus", "head", DASHBOARD), ("worker", "other", GCS), ("worker", "other", DASHBOARD),
    ("worker", "names", GCS), ("head", "page", DASHBOARD), ("worker", "page", DASHBOARD),
    ("talker", "page", DASHBOARD), ("page", "head", DASHBOARD), ("page", "worker", GCS),
]  # fmt: skip

_LISTEN = f"""
import asyncio
async def main():
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport): self.transport = transport
        def datagram_received(self, data, sender): self.transport.sendto(data, sender)
    await asyncio.get_running_loop().create_datagram_endpoint(Echo, ("0.0.0.0", {DNS}))
    servers = [await asyncio.start_server(lambda _, to: to.close(), port=port) for port in {PORTS}]
    await asyncio.gather(*(server.serve_forever() for server in servers))
asyncio.run(main())
"""
_CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
_ASK = """
import socket, sys
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(3)
asked.connect((sys.argv[1], int(sys.argv[2])))
asked.send(b"?")
asked.recv(1)
"""


@pytest.fixture(scope="module")
def addresses(foundation) -> Iterator[dict[str, str]]:
    """The pods' addresses."""
    namespaces = {pod.namespace for pod in PODS.values()}
    try:
        for each in MADE:
            namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": each}}
            kubectl("apply", "-f", "-", said=json.dumps(namespace))
            kubectl("wait", "--for=create", "serviceaccount/default", "-n", each, "--timeout=60s")
        made = [TALK, *(manifest(name, pod) for name, pod in PODS.items())]
        kubectl("apply", "-f", "-", said=json.dumps({"apiVersion": "v1", "kind": "List", "items": made}))
        for each in namespaces:
            kubectl("wait", "--for=condition=Ready", "pod", "-n", each, "-l", "tried=network", "--timeout=120s")
        found = {
            name: kubectl("get", "pod", name, "-n", pod.namespace, "-o", "jsonpath={.status.podIP}")
            for name, pod in PODS.items()
        }
        yield found
    finally:
        for each in namespaces:
            kubectl("delete", "pod", "-n", each, "-l", "tried=network", "--grace-period=1")
        kubectl("delete", "namespace", *MADE, "--ignore-not-found")
        kubectl("delete", "networkpolicy", "talk", "-n", NAMESPACE, "--ignore-not-found")


def test_a_study_has_the_connections_that_it_needs_and_no_others(addresses):
    """Other pods can neither run code through the head's dashboard nor be reached by the user's code."""

    def wrong() -> list[tuple[str, str, int]]:
        needed = [each for each in LET_THROUGH if not connects(addresses, *each)]
        return needed + [each for each in REFUSED if connects(addresses, *each)]

    # The engine learns of new pods after a while.
    end = time.monotonic() + 180
    while (found := wrong()) and time.monotonic() < end:
        pass
    assert found == []


def test_the_name_server_answers_datagrams_and_no_other_pod_receives_them(addresses):
    assert connects(addresses, "worker", "names", DNS, _ASK)
    assert connects(addresses, "talker", "other", DNS, _ASK)
    assert not connects(addresses, "worker", "other", DNS, _ASK)


def connects(addresses: dict[str, str], source: str, to: str, port: int, how: str = _CONNECT) -> bool:
    """Whether a connection from one pod to another, or to a name, succeeds."""
    tried = ("python3", "-c", how, addresses.get(to, to), str(port))
    command = [*KUBECTL, "exec", "-n", PODS[source].namespace, source, "--", *tried]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "ConnectionRefusedError" in done.stderr or "TimeoutError" in done.stderr, done.stderr
    return done.returncode == 0


def manifest(name: str, pod: Pod) -> dict[str, Any]:
    """A pod that a restricted namespace accepts and that is ready once it listens."""
    made = restricted_pod(
        name, pod.namespace, image=NAMES[0], imagePullPolicy="IfNotPresent", command=["python3", "-c", _LISTEN],
        resources={"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "128Mi"}},
        # It listens on this one last.
        readinessProbe={"tcpSocket": {"port": PORTS[-1]}, "periodSeconds": 1},
    )  # fmt: skip
    made["metadata"]["labels"] = {**pod.labels, "tried": "network"}
    made["spec"] |= {"automountServiceAccountToken": False, "nodeName": pod.node}
    made["spec"]["securityContext"]["sysctls"] = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}]
    return made
