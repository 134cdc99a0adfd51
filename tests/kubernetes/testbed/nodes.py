"""Two nodes: `cpu`, and `gpu` with a label, a taint and two GPUs that are only counted."""

import json
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.kubernetes.testbed.certificates import AUTHORITY, kubeconfig
from tests.kubernetes.testbed.control_plane import answers, kubectl
from tests.kubernetes.testbed.images import IMAGE, NAMES
from tests.kubernetes.testbed.place import BED, BIN, Addresses
from tests.kubernetes.testbed.room import call, inside, start, wait_for, with_mounts_of


@dataclass(frozen=True, slots=True)
class Node:
    """A node."""

    name: str
    port: int
    labels: str = ""
    gpus: int = 0

    @property
    def folder(self) -> Path:
        """The folder with its files."""
        return BED / "nodes" / self.name

    @property
    def cgroup(self) -> str:
        """Its control group."""
        return f"tunepipe-{self.name}"

    @property
    def socket(self) -> str:
        """The socket of its containerd, in the room's /run, because paths of sockets must be short."""
        return f"/run/{self.name}.sock"


NODES = (Node("cpu", 10250), Node("gpu", 10260, "cloud.google.com/gke-accelerator=nvidia-l4", 2))


def start_containers(node: Node) -> None:
    """Start a node's containerd."""
    node.folder.mkdir(parents=True)
    settings = node.folder / "containerd.toml"
    settings.write_text(
        f"""version = 2
root = "{node.folder}/containerd"
state = "/run/containerd-{node.name}"
[grpc]
  address = "{node.socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{node.folder}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{BED}/cni"
"""
    )

    def ready() -> bool:
        return subprocess.run([*_ctr(node), "version"], capture_output=True, check=False).returncode == 0

    # Kubelets before 1.30 have their pods' logs in this folder only, and remove those of pods of other nodes.
    logs = 'mkdir -p "$0" /var/log/pods && mount --bind "$0" /var/log/pods && exec "$@"'
    own_mounts = ("unshare", "--mount", "bash", "-c", logs, f"/var/log/pods-{node.name}")
    start(f"containerd-{node.name}", *own_mounts, "containerd", "-c", str(settings), ready=ready)


def load(images: Sequence[Path]) -> None:
    """Load images into both nodes unless they have them."""
    loaded, wanted = BED / "images", " ".join(image.name for image in images)
    if loaded.is_file() and loaded.read_text() == wanted:
        return
    with ThreadPoolExecutor(len(NODES)) as all_nodes:
        for image in images:
            list(all_nodes.map(lambda node, image=image: _load(node, image), NODES))
    loaded.write_text(wanted)


def _load(node: Node, image: Path) -> None:
    """Load an archive; the product's image also gets the names that the chart uses."""
    images = [*_ctr(node), "-n", "k8s.io", "images"]
    call(*images, "import", str(image))
    for name in NAMES if image.name.startswith("tunepipe") else ():
        call(*images, "tag", "--force", IMAGE, name)


def start_kubelet(node: Node) -> None:
    """Start or restart a node's kubelet, and wait until the node is ready, with its GPUs."""
    _make_cgroup(node.cgroup)
    settings = node.folder / "kubelet.yaml"
    taints = [{"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}] if node.gpus else []
    settings.write_text(
        json.dumps(
            {
                "apiVersion": "kubelet.config.k8s.io/v1beta1",
                "kind": "KubeletConfiguration",
                "authentication": {
                    "anonymous": {"enabled": False},
                    "webhook": {"enabled": True},
                    "x509": {"clientCAFile": str(AUTHORITY)},
                },
                "authorization": {"mode": "Webhook"},
                "address": Addresses.BRIDGE,
                "port": node.port,
                "healthzPort": node.port + 1,
                "cgroupDriver": "cgroupfs",
                "cgroupRoot": f"/{node.cgroup}",
                "failCgroupV1": False,
                "failSwapOn": False,
                "evictionHard": {"nodefs.available": "1%", "imagefs.available": "1%", "memory.available": "200Mi"},
                "imageGCHighThresholdPercent": 100,
                "imageGCLowThresholdPercent": 99,
                "makeIPTablesUtilChains": False,
                "clusterDNS": [Addresses.BRIDGE],
                "clusterDomain": "cluster.local",
                "containerRuntimeEndpoint": f"unix://{node.socket}",
                "resolvConf": str(BED / "resolv.conf"),
                "staticPodPath": "",
                "volumePluginDir": str(node.folder / "plugins"),
                "nodeStatusUpdateFrequency": "5s",
                "registerWithTaints": taints,
            }
        )
    )
    start(
        f"kubelet-{node.name}", *with_mounts_of(f"containerd-{node.name}"), f"{BIN}/kubelet", f"--config={settings}",
        f"--kubeconfig={_identity(node)}", f"--hostname-override={node.name}", f"--node-ip={Addresses.BRIDGE}",
        f"--root-dir={node.folder}/kubelet", f"--cert-dir={node.folder}/pki", f"--node-labels={node.labels}",
        ready=lambda: answers(f"http://127.0.0.1:{node.port + 1}/healthz"),
    )  # fmt: skip
    wait_for(f"node {node.name}", lambda: is_ready(node), 180, BED / "log" / f"kubelet-{node.name}.log")
    if node.gpus:
        patch = [{"op": "add", "path": "/status/capacity/nvidia.com~1gpu", "value": str(node.gpus)}]
        kubectl("patch", "node", node.name, "--subresource=status", "--type=json", "-p", json.dumps(patch))


def _identity(node: Node) -> str:
    path = BED / f"{node.name}.kubeconfig"
    return str(path) if path.exists() else kubeconfig(node.name, f"system:node:{node.name}", "system:nodes")


def is_ready(node: Node) -> bool:
    """Whether a node has recently reported to the server."""
    conditions = "{.items[*].status.conditions[?(@.type=='Ready')].status}"
    found = kubectl("get", "nodes", f"--field-selector=metadata.name={node.name}", "-o", f"jsonpath={conditions}")
    return found == "True"


def _ctr(node: Node) -> list[str]:
    return inside("ctr", "--address", node.socket)


def _make_cgroup(name: str) -> None:
    top = Path("/sys/fs/cgroup")
    if (top / "cgroup.controllers").exists():
        (top / name).mkdir(exist_ok=True)
        _weigh(top / name / "cpu.weight", 100)
        return
    for controller in (path for path in top.iterdir() if path.is_dir() and path.name != "unified"):
        (controller / name).mkdir(exist_ok=True)
    for setting in ("cpuset.cpus", "cpuset.mems"):
        if (top / "cpuset" / setting).exists():
            (top / "cpuset" / name / setting).write_text((top / "cpuset" / setting).read_text())
    _weigh(top / "cpu" / name / "cpu.shares", 1024)


def _weigh(setting: Path, of_process: int) -> None:
    """Give all processes of a node the weight of several: else they share what one process of the machine gets.

    On a busy machine, Ray's processes would then not start within its 30 s, and the pods would start again for ever.
    """
    if setting.exists():
        setting.write_text(str(4 * of_process))
