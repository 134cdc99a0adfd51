"""The folders and the addresses of the test bed."""

import os
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("TUNEPIPE_TESTBED_CACHE", "~/.cache/tunepipe-testbed")).expanduser()
"""What is built once: programs and images. `down` leaves it."""

BIN = CACHE / "bin"
BED = CACHE / "bed"
"""What one test bed writes, from `up` to `down`."""

SHARE = BED / "share"
"""The volume that every node has mounted."""

KUBECONFIG = BED / "admin.kubeconfig"


class Addresses:
    """All except HOST are in the test bed's own network; HOST is this machine's end of the only link to it."""

    HOST = "10.244.255.1"
    OUTSIDE = "10.244.255.2"
    BRIDGE = "10.244.0.1"
    """Of both nodes, whose ports differ: so one policy engine is enough for the pods of both."""

    PODS = "10.244.0.0/24"
    SERVICES = "10.96.0.0/16"
    KUBERNETES = "10.96.0.1"


SERVER = f"https://{Addresses.OUTSIDE}:6443"
"""The API server, as this machine reaches it."""
