"""A Ray cluster of several nodes on this machine, without leftovers.

Each node is its own `ray start`, on loopback, on ports and in its own folders, with token authentication.
"""

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import requests

from tests.processes import wait_for

_RAY = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--disable-usage-stats"]
_HEAD = "127.0.0.2"
_TIMEOUT_SECONDS = 90


class Nodes:
    """A head without CPUs for trials, and workers of one CPU each."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(16)
        self._port, self._dashboard, self._client = _free_ports(3)
        self._folder = folder
        # Ray's sockets lie there, and a socket's path may not be long.
        self._temporary = tempfile.mkdtemp(prefix="tp-")
        self._started = 0
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def address(self) -> str:
        """The address of the dashboard."""
        return f"http://127.0.0.1:{self._dashboard}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a command that uses the cluster."""
        return {**os.environ, "RAY_AUTH_TOKEN": self.token, "PYTHONPATH": str(Path.cwd())}

    def start(self, *workers: str) -> None:
        """Start the head and the workers of these names; return when all of them are available."""
        self._start(
            "head", "--head", f"--port={self._port}", "--num-cpus=0", "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self._dashboard}", f"--ray-client-server-port={self._client}",
        )  # fmt: skip
        self._wait_for(lambda: len(self._alive()) == 1)
        for worker in workers:
            self._start(worker, f"--address={_HEAD}:{self._port}", "--num-cpus=1")
        self._wait_for(lambda: len(self._alive()) == 1 + len(workers))

    def close(self) -> None:
        """Kill the processes of all nodes."""
        nodes = [psutil.Process(process.pid) for process in self._running.values() if process.poll() is None]
        family = [*nodes, *(child for node in nodes for child in node.children(recursive=True))]
        for each in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        for process in self._running.values():
            process.wait()
        psutil.wait_procs(family, timeout=_TIMEOUT_SECONDS)
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _start(self, name: str, *arguments: str) -> None:
        agent, metrics = _free_ports(2)
        # Ray takes 127.0.0.1 for the address of the machine's own network, and leaves others of loopback alone.
        self._started += 1
        # A separate folder, or the nodes take each other's unpacked code away.
        folder = Path(self._temporary, str(self._started))
        address = _HEAD if name == "head" else f"127.0.0.{2 + self._started}"
        environment = {
            **self.environment,
            "RAY_AUTH_MODE": "token",
            # As in an image: `python` is the one that Ray was installed for.
            "PATH": f"{_RAY[0].rpartition('/')[0]}:{os.environ['PATH']}",
        }
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [
                    *_RAY, f"--node-ip-address={address}", f"--dashboard-agent-listen-port={agent}",
                    f"--metrics-export-port={metrics}", f"--temp-dir={folder}",
                    "--object-store-memory=100000000", *arguments,
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment, cwd=self._folder,
            )  # fmt: skip

    def _alive(self) -> list[str]:
        headers = {"Authorization": f"Bearer {self.token}"}
        try:
            answer = requests.get(f"{self.address}/nodes?view=summary", headers=headers, timeout=5)
            summary = answer.json()["data"]["summary"]
        except (requests.RequestException, ValueError, KeyError):
            return []
        return [node["raylet"]["nodeId"] for node in summary if node["raylet"].get("state") == "ALIVE"]

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        def reported() -> str:
            logs = "\n".join(path.read_text()[-2000:] for path in self._folder.glob("*.log"))
            return f"The cluster does not come up.\n{logs}"

        def holds() -> bool:
            for name, process in self._running.items():
                ended = f"node {name} ended: {(self._folder / f'{name}.log').read_text()[-3000:]}"
                assert process.poll() is None, ended
            return condition()

        wait_for(holds, reported=reported, seconds=_TIMEOUT_SECONDS)


@contextmanager
def nodes(folder: Path) -> Iterator[Nodes]:
    """A cluster that is not yet started, and is removed at the end in any case."""
    cluster = Nodes(folder)
    try:
        yield cluster
    finally:
        cluster.close()


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
