"""The room of the test bed: its own network, mounts and processes, which all end with its first process.

So nothing can be left behind, however the test bed ends: no process, no mount, no bridge, no rule of the firewall.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.kubernetes.testbed.place import BED, BIN, KUBECONFIG, Addresses

_CABLE = ("tunepipe-host", "tunepipe-bed")
_FIRST = BED / "first.pid"
_CGROUPS = Path("/sys/fs/cgroup")
_HOST_SETTINGS = ("vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops")
"""What kubelets set for the whole machine; put back by `leave`."""

_UNSHARE = "unshare --net --mount --propagation private --pid --mount-proc --fork --kill-child bash -c"

# The first process reaps what loses its parent. Nothing may be written where the machine's own containers are.
_FIRST_PROCESS = f"""
set -e
mount -t tmpfs tmpfs /run
mkdir -p {BED}/log {BED}/var/cni {BED}/var/kubelet {BED}/var/log /var/lib/cni /var/lib/kubelet
mount --bind {BED}/var/cni /var/lib/cni
mount --bind {BED}/var/kubelet /var/lib/kubelet
mount --bind {BED}/var/log /var/log
echo nameserver {Addresses.BRIDGE} > {BED}/resolv.conf
mount --bind {BED}/resolv.conf /etc/resolv.conf
ip link set lo up
sysctl -qw net.ipv4.ip_forward=1
touch {BED}/entered
sleep infinity &
wait
"""


class Failed(Exception):
    """A part of the test bed did not start; the message has its name and the end of its log."""


def must_be_free() -> None:
    """Check that there is no test bed before anything is built or started."""
    if is_up():
        raise Failed(f"There is a test bed already: KUBECONFIG={KUBECONFIG}. `make testbed-down` ends it.")
    if links := _links():
        raise Failed(f"A test bed with another TUNEPIPE_TESTBED_CACHE is running: there is {' and '.join(links)}.")


def enter() -> None:
    """Create the room with one link to this machine, and replace an earlier one."""
    must_be_free()
    leave()
    try:
        _make()
    except BaseException:
        leave()
        raise


def _make() -> None:
    BED.mkdir(parents=True)
    for name in _HOST_SETTINGS:
        saved = BED / "settings" / name
        saved.parent.mkdir(parents=True, exist_ok=True)
        saved.write_text(Path("/proc/sys", name).read_text())
    with (BED / "room.log").open("w") as log:
        command = [*_UNSHARE.split(), _FIRST_PROCESS]
        holder = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for("the room", (BED / "entered").exists, 180, BED / "room.log")
    children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
    _FIRST.write_text(f"{children[0]} {_started(int(children[0]))}")
    here, there = _CABLE
    call("ip", "link", "add", here, "type", "veth", "peer", "name", there, "netns", children[0])
    call("ip", "address", "add", f"{Addresses.HOST}/30", "dev", here)
    call("ip", "link", "set", here, "up")
    call(*inside("ip", "address", "add", f"{Addresses.OUTSIDE}/30", "dev", there))
    call(*inside("ip", "link", "set", there, "up"))


def leave() -> None:
    """End every process of the room, and thereby the room; remove the files that it has written."""
    # Without the room, its server's address may belong to another program, which must get no requests.
    KUBECONFIG.unlink(missing_ok=True)
    if (first := _first()) is not None:
        os.kill(first, signal.SIGKILL)
        wait_for("the end of the room", lambda: not Path(f"/proc/{first}").exists(), 180, BED / "room.log")
        # The system removes a network some time after the last of its processes.
        wait_for("the end of the room's network", lambda: not _links(), 180, BED / "room.log")
    for saved in (path for path in (BED / "settings").rglob("*") if path.is_file()):
        Path("/proc/sys", saved.relative_to(BED / "settings")).write_text(saved.read_text())
    for top in _cgroups():
        wait_for(f"the end of the cgroup {top}", lambda top=top: _removed(top), 180, BED / "room.log")
    shutil.rmtree(BED, ignore_errors=True)


def remains() -> list[str]:
    """The remaining parts of a test bed; nothing after `leave`."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    found = [f"the link {link}" for link in _links()]
    found += [f"the mount {mount}" for mount in mounts if Path(mount).is_relative_to(BED)]
    found += [f"the cgroup {top}" for top in _cgroups()]
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            words = command.read_bytes().decode(errors="replace").split("\0")
            if any(str(folder) in word for word in words for folder in (BED, BIN)):
                found.append(f"the process {command.parent.name}: {' '.join(words)[:120]}")
    return found


def _links() -> list[str]:
    """The ends of the cable that exist on the machine."""
    links = [line.split(": ")[1] for line in call("ip", "-oneline", "link").splitlines()]
    return [link for link in links if link.partition("@")[0] in _CABLE]


def is_up() -> bool:
    """Whether a room exists."""
    return _first() is not None


def inside(*command: str) -> list[str]:
    """A command in the form that runs it in the room."""
    return ["nsenter", "--target", str(_first()), "--net", "--mount", "--pid", "--", *command]


def start(name: str, *command: str, ready: Callable[[], bool], seconds: float = 180) -> None:
    """Start a part in the room, and wait until it is ready."""
    log = BED / "log" / f"{name}.log"
    pid = _pid(name)
    script = f'echo $$ > "{pid}"; exec "$@" >> "{log}" 2>&1 < /dev/null'
    process = subprocess.Popen(inside("bash", "-c", script, name, *command), start_new_session=True, cwd=BED)

    def answers() -> bool:
        if process.poll() is not None:
            raise Failed(f"{name} ended with {process.returncode}.\n{_end(log)}")
        return ready()

    wait_for(name, answers, seconds, log)


def stop(name: str) -> None:
    """End a part of the room, by its process id in the room."""
    call(*inside("kill", _pid(name).read_text().strip()))
    wait_for(f"the end of {name}", lambda: not runs(name), 180, BED / "log" / f"{name}.log")


def runs(name: str) -> bool:
    """Whether a part of the room was started and has not ended."""
    if not _pid(name).is_file():
        return False
    alive = inside("test", "-d", f"/proc/{_pid(name).read_text().strip()}")
    return subprocess.run(alive, check=False).returncode == 0


def with_mounts_of(name: str) -> list[str]:
    """The beginning of a command that runs in the room with the mounts of a part that was started."""
    return ["nsenter", "--target", _pid(name).read_text().strip(), "--mount", "--"]


def call(*command: str, said: str | None = None, environment: dict[str, str] | None = None) -> str:
    """Run a command to its end."""
    done = subprocess.run(
        command, input=said, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    if done.returncode:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def wait_for(what: str, holds: Callable[[], bool], seconds: float, log: Path | None = None) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:.0f} s.\n{_end(log) if log else ''}")
        time.sleep(0.3)


def _first() -> int | None:
    """The first process's id on this machine; None if it has ended, though its id may be in use again."""
    if not _FIRST.is_file():
        return None
    pid, started = (int(word) for word in _FIRST.read_text().split())
    return pid if _started(pid) == started else None


def _pid(name: str) -> Path:
    """The file with the process id that a part has in the room."""
    return BED / "log" / f"{name}.pid"


def _started(pid: int) -> int | None:
    """The start time of a process, in ticks since the machine started."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return None


def _cgroups() -> list[Path]:
    """The control groups of the nodes: below each controller, or, in version 2, below the only root."""
    roots = [_CGROUPS, *_CGROUPS.iterdir()] if _CGROUPS.is_dir() else []
    return [top for root in roots if root.is_dir() and not root.is_symlink() for top in root.glob("tunepipe-*")]


def _removed(top: Path) -> bool:
    for folder in sorted((path for path in top.rglob("*") if path.is_dir()), reverse=True):
        try:
            folder.rmdir()
        except OSError:
            return False
    try:
        top.rmdir()
    except OSError:
        return False
    return True


def _end(log: Path) -> str:
    if not log.is_file():
        return ""
    return f"The end of {log}:\n" + "\n".join(log.read_text(errors="replace").splitlines()[-25:])
