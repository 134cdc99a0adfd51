"""`python -m tests.kubernetes.testbed build`, `up` and `down`."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.kubernetes.testbed.build import build
from tests.kubernetes.testbed.control_plane import start_control_plane
from tests.kubernetes.testbed.images import IMAGE, archives
from tests.kubernetes.testbed.monitoring import define_monitors
from tests.kubernetes.testbed.network import enforce_policies, make_bridge, start_services
from tests.kubernetes.testbed.nodes import NODES, load, start_containers, start_kubelet
from tests.kubernetes.testbed.operator import start_operator
from tests.kubernetes.testbed.place import BIN, KUBECONFIG
from tests.kubernetes.testbed.room import Failed, enter, leave, must_be_free, remains
from tests.kubernetes.testbed.volume import make_volume


def make() -> list[Path]:
    """Build what is missing; return the archives of the images."""
    with _timed("programs"):
        build()
    with _timed("images"):
        return archives()


def up() -> None:
    """Build what is missing, and start the test bed."""
    must_be_free()
    images = make()
    # Outside of the code that ends it: another process may have started a room meanwhile.
    with _timed("room"):
        enter()
    try:
        with _timed("bridge"):
            make_bridge()
        with _timed("control plane"):
            start_control_plane()
        with _timed("containers, and their images"):
            for node in NODES:
                start_containers(node)
            load(images)
        with _timed("nodes"):
            for node in NODES:
                start_kubelet(node)
        with _timed("services, names, and policies"):
            start_services()
            enforce_policies()
        with _timed("KubeRay, the volume"):
            make_volume()
            define_monitors()
            start_operator()
    except BaseException:
        leave()
        raise
    submit = "submit tests/kubernetes/counted.py --storage /studies --gpus-per-trial 1 --workers 2"
    print(f"export KUBECONFIG={KUBECONFIG}")
    print(f"export PATH={BIN}:$PATH")
    print("helm install tunepipe k8s/chart --values tests/kubernetes/values.yaml")
    print(f".venv/bin/tunepipe {submit} --kubernetes --values tests/kubernetes/values.yaml --image {IMAGE}")


def down() -> None:
    """Stop the test bed."""
    leave()
    if found := remains():
        raise Failed(f"Of the test bed there is still: {'; '.join(found)}.")


@contextmanager
def _timed(what: str) -> Iterator[None]:
    began = time.monotonic()
    print(what, flush=True)
    yield
    print(f"  {time.monotonic() - began:.0f} s", flush=True)


def main() -> int:
    """Run the command line; 1 if it failed."""
    commands = {"build": make, "up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("python -m tests.kubernetes.testbed build | up | down", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
