"""Processes as records name them, and whether a recorded process is alive.

A process number alone is not enough, because numbers are reused. A number is unique only on one machine, between two
boots, in one namespace. Machines and pods may share a name, so records also contain the kernel's boot id and the pid
namespace.
"""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SAME_START = 1.0
"""Seconds by which two readings of when a process started may differ."""

_ENDED: set[str] = set()


def identity(pid: int | None = None) -> dict[str, Any]:
    """What identifies a process of this machine, as JSON values."""
    import psutil

    process = psutil.Process(pid)
    return {
        **_numbering(),
        "pid": process.pid,
        "process_started_after_boot": _after_boot(process),
    }


def mark_ended(mark: str) -> None:
    """Treat a record as that of a dead process: a notebook's process outlives a study whose end cannot be written."""
    _ENDED.add(mark)


def lives(record: Mapping[str, Any]) -> bool | None:
    """Whether the recorded process is alive; None if this machine cannot say."""
    import psutil

    if record.get("mark") in _ENDED:
        return False
    if any(record.get(name) != value for name, value in _numbering().items()):
        return None
    try:
        process = psutil.Process(record.get("pid") or 0)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        started = record.get("process_started_after_boot")
        return None if started is None else bool(abs(_after_boot(process) - started) < _SAME_START)
    except (psutil.NoSuchProcess, ValueError):
        return False
    except psutil.AccessDenied:
        return None


def _after_boot(process: Any) -> float:
    import psutil

    return float(process.create_time() - psutil.boot_time())


def _numbering() -> dict[str, str | None]:
    """The host, boot and namespace in which this process has its number."""
    found: dict[str, str | None] = {"host": platform.node(), "boot_id": None, "pid_namespace": None}
    try:
        found["boot_id"] = Path("/proc/sys/kernel/random/boot_id").read_text().strip() or None
        found["pid_namespace"] = os.fspath(Path("/proc/self/ns/pid").readlink())
    except OSError:
        pass
    return found
