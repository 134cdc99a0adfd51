"""A bridge for pods, names for services, rules that direct a service to its pods, and network policies."""

import json
from pathlib import Path

from tests.kubernetes.testbed.certificates import kubeconfig
from tests.kubernetes.testbed.control_plane import answers
from tests.kubernetes.testbed.place import BED, BIN, Addresses
from tests.kubernetes.testbed.room import call, inside, start


def make_bridge() -> None:
    """Create the bridge with the nodes' address, and configure containerd's plugins for it."""
    call(*inside("ip", "link", "add", "pods", "type", "bridge"))
    call(*inside("ip", "address", "add", f"{Addresses.BRIDGE}/24", "dev", "pods"))
    call(*inside("ip", "link", "set", "pods", "up"))
    # Nodes have a route to everywhere: the API server calls the services of webhooks, which kube-proxy then leads on.
    call(*inside("ip", "route", "add", Addresses.SERVICES, "dev", "pods"))
    ranges = [[{"subnet": Addresses.PODS, "rangeStart": "10.244.0.10", "rangeEnd": "10.244.0.240"}]]
    plugin = {
        "type": "bridge", "bridge": "pods", "isGateway": True, "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }  # fmt: skip
    (BED / "cni").mkdir()
    (BED / "cni/pods.conflist").write_text(json.dumps({"cniVersion": "0.4.0", "name": "pods", "plugins": [plugin]}))


def start_services() -> None:
    """Start kube-proxy and CoreDNS."""
    start(
        "proxy",
        f"{BIN}/kube-proxy",
        f"--kubeconfig={kubeconfig('proxy', 'system:kube-proxy')}",
        "--hostname-override=cpu",
        f"--cluster-cidr={Addresses.PODS}",
        # Those of the whole machine are not for a namespace to set.
        "--conntrack-max-per-core=0",
        "--conntrack-tcp-timeout-established=0",
        "--conntrack-tcp-timeout-close-wait=0",
        ready=lambda: answers("http://127.0.0.1:10249/healthz"),
    )
    configuration = BED / "Corefile"
    # Other names do not exist, as those of a registry that is misspelt; without an answer, they would fail for a while.
    configuration.write_text(
        f""".:53 {{
  bind {Addresses.BRIDGE}
  ready 127.0.0.1:8181
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig("dns", "dns", "system:masters")} testbed
    pods insecure
  }}
  template ANY ANY . {{
    rcode NXDOMAIN
  }}
  cache 5
}}
"""
    )
    start("dns", f"{BIN}/coredns", "-conf", str(configuration), ready=lambda: answers("http://127.0.0.1:8181/ready"))


def enforce_policies() -> None:
    """Start kube-router, of which only the part that enforces NetworkPolicies is used."""
    if not Path("/proc/sys/net/bridge").exists():
        call("modprobe", "br_netfilter")
    # What goes from port to port of the bridge, too, is for the firewall to see.
    call(*inside("sysctl", "-qw", "net.bridge.bridge-nf-call-iptables=1"))
    start(
        "policies",
        f"{BIN}/kube-router",
        f"--kubeconfig={kubeconfig('policies', 'policies', 'system:masters')}",
        "--hostname-override=cpu",
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        f"--service-cluster-ip-range={Addresses.SERVICES}",
        ready=lambda: answers("http://127.0.0.1:20244/healthz"),
    )
