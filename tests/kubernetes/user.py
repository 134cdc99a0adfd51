"""A user's commands at a terminal: `tunepipe submit --kubernetes`, and kubectl to look at its study."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import yaml

from pipeline import load_results
from tests.kubernetes.testbed.control_plane import KUBECTL, kubectl
from tests.kubernetes.testbed.images import IMAGE
from tests.kubernetes.testbed.place import BED, BIN, KUBECONFIG, SHARE
from tests.kubernetes.testbed.room import call
from tests.processes import wait_for

VALUES = Path(__file__).with_name("values.yaml")
NAMESPACE = "tunepipe"
_TUNEPIPE = (sys.executable, "-m", "pipeline.cli.app")
SUBMITTER = BED / "submitter.kubeconfig"
_LONGEST_SECONDS = 900.0
WORKERS = "ray.io/group=gpu-l4"
HEAD = "ray.io/node-type=head"
_TOKENS = """
import os
for root in ("/", *(f"/proc/{name}/root/" for name in os.listdir("/proc") if name.isdigit())):
    try:
        open(f"{root}var/run/secrets/kubernetes.io/serviceaccount/token").close()
    except OSError:
        continue
    print(root)
"""
SLOW_EPOCHS = 50
_SLOW = str(Path(__file__).parents[1] / "slow_study.py")
SLOW_STUDY = (_SLOW, "--epochs", str(SLOW_EPOCHS), "--workers", "2", "--gpus-per-trial", "1")
"""A study of a minute, if nothing happens to it."""


class Following:
    """`tunepipe submit`, which follows its study, as a process with the submitter's rights."""

    _begun: ClassVar[list[subprocess.Popen[bytes]]] = []

    def __init__(self, where: Path, *words: str, kubeconfig: Path = SUBMITTER, image: str | None = IMAGE) -> None:
        self._reported = where / f"printed-{time.monotonic_ns()}.txt"
        command = [*_TUNEPIPE, "submit", *words]
        command += [] if "--storage" in words else ["--storage", "/studies"]
        if "--address" not in words:
            command += ["--kubernetes"]
            command += [] if "--values" in words else ["--values", str(VALUES)]
            command += [] if "--image" in words or image is None else ["--image", image]
        environment = {**os.environ, **_environment(kubeconfig)}
        with self._reported.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=where, env=environment, stdout=file, stderr=subprocess.STDOUT)
        self._begun.append(self.process)

    @property
    def reported(self) -> str:
        """The output so far."""
        return self._reported.read_text()

    @property
    def has_trained(self) -> bool:
        """Whether it has reported an epoch of any trial."""
        return re.search(r"\b[1-9]\d* epochs", self.reported) is not None

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds; fail immediately if the command has ended."""

        def holds() -> bool:
            assert self.process.poll() is None, f"it ended before {what}"
            return condition()

        try:
            until(what, holds, _LONGEST_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.reported}") from None

    def ended(self, seconds: float = _LONGEST_SECONDS) -> int:
        """Its exit code, once it has ended; fail after a time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it never ended: {self.reported}") from None

    @classmethod
    def end_all(cls) -> None:
        """End the commands that a test has left."""
        while cls._begun:
            process = cls._begun.pop()
            process.kill()
            process.wait()


def submit(where: Path, *words: str, kubeconfig: Path = SUBMITTER) -> tuple[int, str]:
    """Submit a study and follow it to its end; return exit code and output."""
    following = Following(where, *words, kubeconfig=kubeconfig)
    return following.ended(), following.reported


def restricted_pod(name: str, namespace: str = NAMESPACE, **container: Any) -> dict[str, Any]:
    """A pod that a restricted namespace accepts, apart from what its container is given."""
    safe = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    safe |= container.pop("securityContext", {})
    security = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    containers = [{"name": "c", "image": "x:1", "securityContext": safe, **container}]
    metadata, spec = {"name": name, "namespace": namespace}, {"securityContext": security, "containers": containers}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


@contextmanager
def applied(*made: dict[str, Any]) -> Iterator[None]:
    """Objects that an administrator applies and deletes again."""
    said = yaml.safe_dump_all(made)
    try:
        kubectl("apply", "--server-side", "-f", "-", said=said)
        yield
    finally:
        kubectl("delete", "--ignore-not-found", "-f", "-", said=said)


def _environment(kubeconfig: Path) -> dict[str, str]:
    """Whose rights a command has, and where it finds Helm."""
    return {"KUBECONFIG": str(kubeconfig), "PATH": f"{BIN}:{os.environ['PATH']}"}


def become(account: str, namespace: str, kubeconfig: Path) -> None:
    """Create the kubeconfig of a service account."""
    token = kubectl("create", "token", account, "-n", namespace, "--duration=6h").strip()
    known = yaml.safe_load(KUBECONFIG.read_text())
    known["users"] = [{"name": known["users"][0]["name"], "user": {"token": token}}]
    kubeconfig.touch(0o600)
    kubeconfig.write_text(yaml.safe_dump(known))


def tunepipe(*words: str, kubeconfig: Path = SUBMITTER) -> str:
    """Run another command with the submitter's rights; return its output once it has succeeded."""
    return call(*_TUNEPIPE, *words, environment=_environment(kubeconfig))


def objects(kind: str, labels: str = "") -> list[dict[str, Any]]:
    """The objects of a kind in the namespace."""
    found: list[dict[str, Any]] = json.loads(kubectl("get", kind, "-n", NAMESPACE, "-l", labels, "-o", "json"))["items"]
    return found


def epochs_on_volume(study: str) -> dict[str, int]:
    """The number of recorded epochs of each trial of a study, on the volume."""
    folder = SHARE / study
    if not (folder / "study.json").is_file():
        return {}
    return {str(trial): len(rows) for trial, rows in load_results(folder).epochs.groupby("trial_id")}


def running(labels: str) -> list[str]:
    """The names of running pods."""
    return [each["metadata"]["name"] for each in objects("pods", labels) if each["status"]["phase"] == "Running"]


def readable_tokens(pod: str, container: str) -> list[str]:
    """The roots below which code in a container can read a token of the Kubernetes API: its own, and those of /proc."""
    return kubectl("exec", "-n", NAMESPACE, pod, "-c", container, "--", "python", "-c", _TOKENS).split()


@contextmanager
def forwarded(target: str, port: int) -> Iterator[str]:
    """The local address of a forwarded port of a service or a deployment, named as KIND/NAME."""
    command = [*KUBECTL, "port-forward", "-n", NAMESPACE, target, f":{port}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
            assert found is not None, "the port was not forwarded"
            yield f"http://{found[0]}"
        finally:
            process.terminate()


def until(what: str, condition: Callable[[], bool], seconds: float = 180) -> None:
    """Wait until a condition holds; fail after a time with what was awaited."""
    wait_for(condition, reported=lambda: f"it never came to this: {what}", seconds=seconds)
