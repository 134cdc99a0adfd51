"""`python -m tests.kubernetes.testbed build`, `build-all`, `up` and `down`."""

import sys
from pathlib import Path

from tests.kubernetes.testbed.build import build, build_kueue
from tests.kubernetes.testbed.control_plane import start_control_plane
from tests.kubernetes.testbed.images import IMAGE, archives
from tests.kubernetes.testbed.network import enforce_policies, make_bridge, start_services
from tests.kubernetes.testbed.nodes import NODES, load, start_containers, start_kubelet
from tests.kubernetes.testbed.operator import define_monitors, start_operator
from tests.kubernetes.testbed.place import BIN, KUBECONFIG
from tests.kubernetes.testbed.room import Failed, enter, leave, must_be_free, remains
from tests.kubernetes.testbed.volume import make_volume


def make() -> list[Path]:
    """Build what is missing; return the archives of the images."""
    print("programs and images", flush=True)
    build()
    return archives()


def make_all() -> None:
    """Build what is missing, with Kueue."""
    make()
    build_kueue()


def up() -> None:
    """Build what is missing, and start the test bed."""
    must_be_free()
    images = make()
    # Outside of the code that ends it: another process may have started a room meanwhile.
    enter()
    try:
        make_bridge()
        start_control_plane()
        for node in NODES:
            start_containers(node)
        load(images)
        for node in NODES:
            start_kubelet(node)
        start_services()
        enforce_policies()
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


def main() -> int:
    """Run the command line; 1 if it failed."""
    commands = {"build": make, "build-all": make_all, "up": up, "down": down}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print("python -m tests.kubernetes.testbed build | build-all | up | down", file=sys.stderr)
        return 2
    try:
        commands[sys.argv[1]]()
    except Failed as failed:
        print(failed, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
