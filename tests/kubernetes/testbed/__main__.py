"""`python -m tests.kubernetes.testbed up` and `down`."""

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.kubernetes.testbed.build import build
from tests.kubernetes.testbed.control_plane import start_control_plane
from tests.kubernetes.testbed.images import IMAGE, archives
from tests.kubernetes.testbed.network import lay_bridge, start_services
from tests.kubernetes.testbed.nodes import NODES, load, start_containers, start_kubelet
from tests.kubernetes.testbed.operator import start_operator
from tests.kubernetes.testbed.place import KUBECONFIG
from tests.kubernetes.testbed.room import Failed, enter, leave
from tests.kubernetes.testbed.volume import make_volume


def up() -> None:
    """Build what is missing, and start all of it."""
    with _told("programs"):
        build()
    with _told("images"):
        images = archives()
    try:
        with _told("room and bridge"):
            enter()
            lay_bridge()
        with _told("control plane"):
            start_control_plane()
        with _told("containers, and their images"), ThreadPoolExecutor(2) as both:
            for node in NODES:
                start_containers(node)
            for image in images:
                list(both.map(lambda node, image=image: load(node, image), NODES))
        with _told("nodes"):
            for node in NODES:
                start_kubelet(node)
        with _told("services and names"):
            start_services()
        with _told("KubeRay, the volume"):
            make_volume()
            start_operator()
    except BaseException:
        leave()
        raise
    print(f"export KUBECONFIG={KUBECONFIG}")
    print(f"tunepipe submit JOB --kubernetes --overlay tests/kubernetes/overlay --image {IMAGE} --storage /studies")


@contextmanager
def _told(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(what, flush=True)
    yield
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    """Do what the command line says; 1 where it failed."""
    commands = {"up": up, "down": leave}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("python -m tests.kubernetes.testbed up | down", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
