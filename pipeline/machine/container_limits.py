"""The CPUs and the memory that control groups leave a process, version 1 and version 2.

A limit of any group above a process holds for it, so all of them are read up to the top. Within a container the files
usually show its own group as the top, whatever the kernel calls the group; then the top is all there is to read.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_UNLIMITED_BYTES = 2**60
"""Version 1 has no word for "no limit", but a number near 2**63."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What control groups leave this process; infinite where they set no limit."""

    cpus: float = math.inf
    memory: float = math.inf
    free: float = math.inf


def container_limits(root: Path = Path("/")) -> Limits:
    """The limits of this process."""
    memory = [read for folder in _groups(root, "memory") for read in _memory(folder)]
    return Limits(
        cpus=min((cpus for folder in _groups(root, "cpu") for cpus in _cpus(folder)), default=math.inf),
        memory=min((limit for limit, _ in memory), default=math.inf),
        free=max(0.0, min((limit - used for limit, used in memory), default=math.inf)),
    )


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of a controller's groups that this process is in, from its own to the top."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    groups = {controllers: group for _, controllers, group in (line.split(":", 2) for line in lines if ":" in line)}
    names = [controllers for controllers in groups if controller in controllers.split(",")]
    # On a machine with both versions, a controller belongs to one of them, and version 2 has a folder of its own.
    folders = (*names, controller) if names else ("unified", "")
    tops = [root / "sys/fs/cgroup" / name for name in folders]
    top = next((folder for folder in tops if folder.is_dir()), None)
    if top is None:
        return
    group = Path((groups[names[0]] if names else groups.get("", "")).lstrip("/"))
    # A group outside of the container's own namespace begins with "..": only the top is visible.
    yield from (top / each for each in (group, *group.parents) if ".." not in each.parts and (top / each).is_dir())


def _cpus(folder: Path) -> Iterator[float]:
    with suppress(OSError, ValueError, ZeroDivisionError):
        quota, period = (folder / "cpu.max").read_text().split()
        if quota != "max":
            yield int(quota) / int(period)
    with suppress(OSError, ValueError, ZeroDivisionError):
        microseconds = int((folder / "cpu.cfs_quota_us").read_text())
        if microseconds > 0:
            yield microseconds / int((folder / "cpu.cfs_period_us").read_text())


def _memory(folder: Path) -> Iterator[tuple[float, float]]:
    """A group's limit and how much of it is in use, where it has a limit."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        # Above it nothing is killed, but the kernel slows the group down until it holds less.
        ("memory.high", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        with suppress(OSError, ValueError):
            most = int((folder / limit).read_text())
            if most < _UNLIMITED_BYTES:
                yield float(most), float(_in_use(folder, usage, cached))


def _in_use(folder: Path, usage: str, cached: str) -> int:
    try:
        used = int((folder / usage).read_text())
        counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):
        return 0
    return max(0, used - int(counts.get(cached, 0)))
