"""What a person does at a terminal: `tunepipe submit --kubernetes`, and looking at it with kubectl."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.kubernetes.testbed.control_plane import KUBECTL, kubectl
from tests.kubernetes.testbed.images import IMAGE

__all__ = [
    "HEAD",
    "NAMESPACE",
    "OVERLAY",
    "WORKERS",
    "Following",
    "forwarded",
    "objects",
    "running",
    "submit",
    "tunepipe",
    "until",
]

OVERLAY = Path(__file__).with_name("overlay")
NAMESPACE = "tunepipe"
_TUNEPIPE = (sys.executable, "-m", "pipeline.cli.app")
WORKERS = "ray.io/group=gpu-l4"
HEAD = "ray.io/node-type=head"


class Following:
    """`tunepipe submit`, which follows its study, as a process.

    Args:
        where: The folder it is called in; results are brought to its `studies`.
        words: More of the command line; with an `--address`, a Ray cluster's, it is no RayJob.
    """

    def __init__(self, where: Path, *words: str) -> None:
        self._told = where / f"told-{time.monotonic_ns()}.txt"
        command = [*_TUNEPIPE, "submit", *words, "--storage", "/studies"]
        if "--address" not in words:
            command += ["--kubernetes"]
            command += [] if "--overlay" in words else ["--overlay", str(OVERLAY)]
            command += [] if "--image" in words else ["--image", IMAGE]
        with self._told.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=where, stdout=file, stderr=subprocess.STDOUT)

    @property
    def told(self) -> str:
        """What it has printed."""
        return self._told.read_text()

    def until(self, condition: Callable[[], bool]) -> None:
        """Look until something holds; fail at once where the command has ended."""
        while not condition():
            assert self.process.poll() is None, self.told
            time.sleep(0.5)

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait()


def submit(where: Path, *words: str) -> tuple[int, str]:
    """Submit a study and follow it to its end; the exit code, and what was told."""
    following = Following(where, *words)
    return following.ended(), following.told


def tunepipe(*words: str) -> str:
    """Call another command; what it prints, once it has ended well."""
    return subprocess.run([*_TUNEPIPE, *words], capture_output=True, text=True, check=True).stdout


def objects(kind: str, labels: str = "") -> list[dict[str, Any]]:
    """What there is of a kind in the namespace."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-n", NAMESPACE, "-l", labels, "-o", "json"))["items"]
    return found


def running(labels: str) -> list[str]:
    """Names of pods that run."""
    return [each["metadata"]["name"] for each in objects("pods", labels) if each["status"]["phase"] == "Running"]


@contextmanager
def forwarded(service: str, port: int) -> Iterator[str]:
    """A port of a service, on this machine: its address."""
    command = [*KUBECTL, "port-forward", "-n", NAMESPACE, f"service/{service}", f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found is not None
        yield f"http://{found[0]}"
        process.terminate()


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Look until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.5)
