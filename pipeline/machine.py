"""This machine, and the part of it that this process may use: the limits of a container, not of its node."""

import ctypes
import math
import os
import platform
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that trains trials, or runs a study's driver: as much of it as the process may use."""

    host: str
    system: str
    cpu: str
    cpus: float
    memory: int
    free: int
    gpus: Sequence[str]

    def record(self) -> dict[str, Any]:
        """What a study records of the machine, as JSON values: with `cores`, whole CPUs, and without what is free."""
        values = asdict(self)
        del values["free"], values["cpus"]
        return {**values, "cores": math.ceil(self.cpus)}


def this_machine(root: Path = Path("/")) -> Machine:
    """The machine of this process, read without Ray or TensorFlow."""
    import psutil

    memory, groups = psutil.virtual_memory(), list(_control_groups(root))
    limits = [limit for group in groups for limit in _memory(group)]
    return Machine(
        host=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu_model(),
        cpus=min([float(len(os.sched_getaffinity(0))), *(cpus for group in groups for cpus in _cpus(group))]),
        memory=int(min([memory.total, *(most for most, _ in limits)])),
        free=int(max(0, min([memory.available, *(most - used for most, used in limits)]))),
        gpus=gpu_models(),
    )


def process_memory() -> int:
    """Bytes of the machine's memory that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def one_thread() -> AbstractContextManager[Any]:
    """A context in which operations on matrices use one thread: small ones gain nothing from more."""
    controller: AbstractContextManager[Any] = _thread_controller().limit(limits=1)
    return controller


@lru_cache(maxsize=1)
def _thread_controller() -> Any:
    # Finding the libraries takes longer than many a draw.
    import scipy.linalg  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _control_groups(root: Path) -> Iterator[Path]:
    """Where the limits of this process may be, in version 1 or 2: a limit of any group above it holds, too.

    Within a container, its own group is usually the top, whatever the kernel calls the group.
    """
    groups = {Path()}
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            group = Path(line.split(":", 2)[-1].lstrip("/"))
            groups |= {group, *group.parents}
    for controller in ("", "cpu", "memory"):
        yield from (root / "sys/fs/cgroup" / controller / group for group in groups)


def _numbers(file: Path) -> list[float]:
    """The numbers in a file of the kernel; none without the file."""
    with suppress(OSError, ValueError):
        return [math.inf if word == "max" else float(word) for word in file.read_text().split()]
    return []


def _cpus(group: Path) -> Iterator[float]:
    """A group's limit in CPUs, if it has one."""
    times = _numbers(group / "cpu.max") or [
        *_numbers(group / "cpu.cfs_quota_us"),
        *_numbers(group / "cpu.cfs_period_us"),
    ]
    if len(times) == 2 and times[0] > 0:
        yield times[0] / times[1]


def _memory(group: Path) -> Iterator[tuple[float, float]]:
    """A group's limit in bytes, if it has one, and how much of it is in use."""
    most = _numbers(group / "memory.max") or _numbers(group / "memory.limit_in_bytes")
    used = _numbers(group / "memory.current") or _numbers(group / "memory.usage_in_bytes")
    if most and used:
        # The kernel drops the cache of files where memory is short.
        with suppress(OSError):
            cached = re.findall(r"^(?:total_)?inactive_file (\d+)", (group / "memory.stat").read_text(), re.MULTILINE)
            used[0] -= float(max(map(int, cached), default=0))
        yield most[0], used[0]


def _cpu_model() -> str:
    with suppress(OSError):
        if match := re.search(r"^model name\s*:\s*(.+?)\s*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def gpu_models() -> list[str]:
    """The model of each NVIDIA GPU that this process may use."""
    models = _installed_gpus()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not models:
        return models
    named = []
    for entry in map(str.strip, visible.split(",")):
        if entry.startswith(("GPU-", "MIG-")):
            named.append(models[0])
        elif entry.isdecimal() and int(entry) < len(models):
            named.append(models[int(entry)])
        else:
            # CUDA stops at the first entry that is not a device, such as -1.
            break
    return named


def _installed_gpus() -> list[str]:
    """The model of each GPU that NVIDIA's management library has, which comes with the driver."""
    models: list[str] = []
    with suppress(OSError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        count, name, card = ctypes.c_uint(), ctypes.create_string_buffer(96), ctypes.c_void_p()
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(count)):
            return models
        for index in range(count.value):
            # The devices of other containers cannot be opened.
            if not library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(card)):
                failed = library.nvmlDeviceGetName(card, name, len(name))
                models.append("NVIDIA GPU" if failed else name.value.decode())
        library.nvmlShutdown()
    return models
