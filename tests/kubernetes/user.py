"""What a person does at a terminal: `tunepipe submit --kubernetes`, and looking at it with kubectl."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.kubernetes.testbed.control_plane import kubectl
from tests.kubernetes.testbed.images import IMAGE

__all__ = ["NAMESPACE", "OVERLAY", "Following", "objects", "submit", "until"]

OVERLAY = Path(__file__).with_name("overlay")
NAMESPACE = "tunepipe"


class Following:
    """`tunepipe submit`, which follows its study, as a process.

    Args:
        where: The folder it is called in; results are brought to its `studies`.
        words: More of the command line.
    """

    def __init__(self, where: Path, *words: str) -> None:
        self._told = where / f"told-{time.monotonic_ns()}.txt"
        command = [sys.executable, "-m", "pipeline.cli.app", "submit", *words, "--storage", "/studies", "--kubernetes"]
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


def objects(kind: str, labels: str = "") -> list[dict[str, Any]]:
    """What there is of a kind in the namespace."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-n", NAMESPACE, "-l", labels, "-o", "json"))["items"]
    return found


def until(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Look until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.5)
