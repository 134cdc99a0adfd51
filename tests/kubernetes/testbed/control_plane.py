"""The control plane: etcd, API server, controller manager, scheduler."""

import os
import subprocess
import sys
from pathlib import Path

from tests.kubernetes.testbed.certificates import (
    AUTHORITY,
    FOLDER,
    authority,
    certificate,
    kubeconfig,
    service_account_key,
)
from tests.kubernetes.testbed.place import BED, BIN, KUBECONFIG, SERVER, Addresses
from tests.kubernetes.testbed.room import call, inside, start

_BESIDE = Path(sys.executable).with_name("kubectl")
KUBECTL = (str(_BESIDE) if _BESIDE.is_file() else "kubectl", f"--kubeconfig={KUBECONFIG}")


def start_control_plane() -> None:
    """Start all four, and wait until each is ready."""
    authority()
    service_account_key()
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"]
    places = ["127.0.0.1", Addresses.BRIDGE, Addresses.OUTSIDE, Addresses.KUBERNETES]
    alternatives = ",".join([*(f"DNS:{each}" for each in names), *(f"IP:{each}" for each in places)])
    certificate("apiserver", "kube-apiserver", alternatives=alternatives)
    certificate("apiserver-at-kubelets", "apiserver", "system:masters")
    start(
        "etcd",
        "etcd",
        f"--data-dir={BED}/etcd",
        # What is lost with the machine was for this machine alone.
        "--unsafe-no-fsync",
        ready=lambda: answers("http://127.0.0.1:2379/health"),
    )
    start(
        "apiserver", f"{BIN}/kube-apiserver", "--etcd-servers=http://127.0.0.1:2379", "--bind-address=0.0.0.0",
        f"--advertise-address={Addresses.BRIDGE}", f"--tls-cert-file={FOLDER}/apiserver.crt",
        f"--tls-private-key-file={FOLDER}/apiserver.key", f"--client-ca-file={AUTHORITY}",
        f"--kubelet-client-certificate={FOLDER}/apiserver-at-kubelets.crt",
        f"--kubelet-client-key={FOLDER}/apiserver-at-kubelets.key", "--kubelet-preferred-address-types=InternalIP",
        f"--service-cluster-ip-range={Addresses.SERVICES}", "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={FOLDER}/accounts.pub",
        f"--service-account-signing-key-file={FOLDER}/accounts.key", "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
        ready=lambda: answers("https://127.0.0.1:6443/readyz"), seconds=240,
    )  # fmt: skip
    kubeconfig("admin", "admin", "system:masters", SERVER)
    start(
        "controller-manager",
        f"{BIN}/kube-controller-manager",
        f"--kubeconfig={kubeconfig('controller-manager', 'system:kube-controller-manager')}",
        "--use-service-account-credentials",
        f"--service-account-private-key-file={FOLDER}/accounts.key",
        f"--root-ca-file={AUTHORITY}",
        "--leader-elect=false",
        # A node that says nothing is taken for away in seconds, not in minutes.
        "--node-monitor-grace-period=20s",
        ready=lambda: answers("https://127.0.0.1:10257/healthz"),
    )
    start(
        "scheduler",
        f"{BIN}/kube-scheduler",
        f"--kubeconfig={kubeconfig('scheduler', 'system:kube-scheduler')}",
        "--leader-elect=false",
        ready=lambda: answers("https://127.0.0.1:10259/healthz"),
    )


def answers(url: str) -> bool:
    """Whether a server in the room reports that it is healthy; self-signed certificates are accepted."""
    command = inside("wget", "--quiet", "--no-check-certificate", "--timeout=5", "--tries=1", "-O", "/dev/null", url)
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def kubectl(*arguments: str, said: str | None = None) -> str:
    """Call kubectl as the administrator; return its output."""
    return call(*KUBECTL, *arguments, said=said, environment={"HOME": os.fspath(BED)})
