"""The programs of the test bed, built from Go modules and Debian's packages; versions are in go/*/go.mod.

go/go.work gives the modules the same versions of what they share: half of the packages would be compiled twice or more.
KubeRay names newer libraries of Kubernetes (0.35) than the Kubernetes that is built here (1.34), and works with these.
Kueue needs newer ones and stays out of the workspace, as does what is only read.

TUNEPIPE_TESTBED_VERSIONS names a folder with other versions, relative to this one: `oldest` has the oldest Kubernetes
and Kueue that tunepipe supports. A go.mod there replaces that of go/; the programs need another TUNEPIPE_TESTBED_CACHE.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.kubernetes.testbed.place import BIN, HERE
from tests.kubernetes.testbed.room import Failed, call

_KUBERNETES = ("kube-scheduler", "kube-proxy", "kubelet", "kube-controller-manager", "kube-apiserver")
_PACKAGES = {
    "etcd": "etcd-server", "containerd": "containerd", "runc": "runc",
    "/usr/lib/cni/bridge": "containernetworking-plugins", "iptables": "iptables", "ipset": "ipset",
    "conntrack": "conntrack", "podman": "podman", "debootstrap": "debootstrap", "busybox": "busybox-static",
    "wget": "wget", "openssl": "openssl",
}  # fmt: skip

_APART = ("kueue", "monitoring")
"""Modules outside of the workspace."""

_VERSIONS = os.environ.get("TUNEPIPE_TESTBED_VERSIONS")

MONITORING = "github.com/prometheus-operator/prometheus-operator"
"""The module whose definitions of Prometheus' kinds are applied; nothing of it is built."""


def missing() -> str | None:
    """The reason why this machine cannot have a test bed; None if it can."""
    needed = {"Linux": os.uname().sysname == "Linux", "root": os.geteuid() == 0}
    needed |= {"apt-get": shutil.which("apt-get"), "Go": shutil.which("go")}
    lacks = [name for name, there in needed.items() if not there]
    return f"The test bed needs {', '.join(lacks)}." if lacks else None


def build() -> None:
    """Install and build what is missing; with Go's cache, a second build takes seconds."""
    if (why := missing()) is not None:
        raise Failed(why)
    if absent := [package for name, package in _PACKAGES.items() if not _there(name)]:
        call("apt-get", "update", "-q")
        quiet = {"DEBIAN_FRONTEND": "noninteractive"}
        call("apt-get", "install", "-y", "-q", "--no-install-recommends", *absent, environment=quiet)
    major, minor, patch = _kubernetes_version()
    package = "k8s.io/component-base/version"
    stamps = {"gitVersion": f"v{major}.{minor}.{patch}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    linked = " ".join(["-s -w", *(f"-X {package}.{name}={value}" for name, value in stamps.items())])
    for name in _KUBERNETES:
        _go("kubernetes", name, f"k8s.io/kubernetes/cmd/{name}", linked)
    _go("operator", "ray-operator", "github.com/ray-project/kuberay/ray-operator", "-s -w")
    _go("dns", "coredns", ".", "-s -w")
    _go("helm", "helm", "helm.sh/helm/v3/cmd/helm", "-s -w")
    _go("policies", "kube-router", "github.com/cloudnativelabs/kube-router/v2/cmd/kube-router", "-s -w")
    module_folder("monitoring", MONITORING)


def build_kueue() -> Path:
    """Build Kueue, which only the tests of queues start, and return its path."""
    _go("kueue", "kueue", "sigs.k8s.io/kueue/cmd/kueue", "-s -w")
    return BIN / "kueue"


def module_folder(of: str, module: str) -> Path:
    """Where Go keeps the source of a module."""
    folder, environment = _go_module(of)
    result = call("go", "-C", str(folder), "mod", "download", "-json", module, environment=environment)
    return Path(json.loads(result)["Dir"])


def _go_module(name: str) -> tuple[Path, dict[str, str]]:
    """The folder with the go.mod of a module, and the variables with which Go finds it in or outside of the
    workspace.
    """
    if _VERSIONS:
        if not any((others := HERE / _VERSIONS).glob("*/go.mod")):
            raise Failed(f"TUNEPIPE_TESTBED_VERSIONS={_VERSIONS}: there is no */go.mod in {others}.")
        if (others / name / "go.mod").is_file():
            return others / name, {"GOWORK": "off"}
    return HERE / "go" / name, {"GOWORK": "off"} if name in _APART else {}


def _there(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None


def _kubernetes_version() -> tuple[str, str, str]:
    text = (_go_module("kubernetes")[0] / "go.mod").read_text()
    found = re.search(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)", text)
    assert found is not None
    return found[1], found[2], found[3]


def _go(folder: str, name: str, package: str, linked: str) -> None:
    print(f"  {name}", flush=True)
    command = ["go", "build", "-trimpath", "-ldflags", linked, "-o", str(BIN / name), package]
    module, variables = _go_module(folder)
    environment = {**os.environ, "CGO_ENABLED": "0", **variables}
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise Failed(f"{' '.join(command)}:\n{done.stderr[-3000:]}")
