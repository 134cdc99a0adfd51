"""This machine, and the part of it that this process may use: the limits of a container, not of its node."""

import ctypes
import itertools
import math
import os
import platform
import re
from collections.abc import Iterator, Sequence, Set
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

NVIDIA_DRIVER = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")

_UNNAMED = "NVIDIA GPU"
_WSL_DEVICE = "dxg"
"""The device of all GPUs in WSL 2, which has no others and no files of NVIDIA's driver."""

_UNLIMITED_BYTES = 2**60
"""Version 1 of control groups has no word for "no limit", but a number near 2**63."""


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

    within, memory = container_limits(root), psutil.virtual_memory()
    return Machine(
        host=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu_model(),
        cpus=min(within.cpus, float(_allowed_cpus())),
        memory=int(min(within.memory, memory.total)),
        free=int(min(within.free, memory.available)),
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What control groups leave this process; infinite where they set no limit."""

    cpus: float = math.inf
    memory: float = math.inf
    free: float = math.inf


def container_limits(root: Path = Path("/")) -> Limits:
    """The CPUs and the memory that control groups leave a process, version 1 and version 2.

    A limit of any group above a process holds for it, so all of them are read up to the top. Within a container the
    files usually show its own group as the top, whatever the kernel calls the group.
    """
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
            most, used = int((folder / limit).read_text()), 0
            with suppress(OSError, ValueError):
                counts = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
                used = max(0, int((folder / usage).read_text()) - int(counts.get(cached, 0)))
            if most < _UNLIMITED_BYTES:
                yield float(most), float(used)


def _allowed_cpus() -> int:
    """CPUs that this process may run on; a container may have a set of them."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        allowed = os.cpu_count() or 1
    # Some clusters leave it to the job to keep to what it was granted.
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(allowed, int(granted)) if granted.isdecimal() and int(granted) else allowed


def _cpu_model() -> str:
    with suppress(OSError):
        if match := re.search(r"^model name\s*:\s*(.+?)\s*$", Path("/proc/cpuinfo").read_text(), re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()


def gpu_models() -> list[str]:
    """The model of each NVIDIA GPU that this process may use, as the driver's files name it."""
    devices = {device.name for device in DEVICES.glob("nvidia[0-9]*")}
    # Some containers have only the devices.
    models = _driver_models(devices) or [_UNNAMED for _ in devices]
    if not models and (DEVICES / _WSL_DEVICE).exists():
        models = _library_models()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not models:
        return models
    # CUDA stops at the first entry that is not a device, such as -1, or NoDevFiles in a Slurm job without GPUs.
    named = (_named(entry.strip(), models) for entry in visible.split(","))
    return [model for model in itertools.takewhile(lambda model: model is not None, named) if model is not None]


def _named(entry: str, models: Sequence[str]) -> str | None:
    """The model of a GPU that CUDA_VISIBLE_DEVICES names by its number or identifier; None if it names none."""
    if entry.startswith(("GPU-", "MIG-")):
        # The driver's files of some versions do not have identifiers.
        return models[0]
    return models[int(entry)] if entry.isdecimal() and int(entry) < len(models) else None


def _driver_models(devices: Set[str]) -> list[str]:
    """The model of each GPU that the driver's files describe; a container may see those of its whole node."""
    models = []
    for folder in sorted(NVIDIA_DRIVER.glob("*")):
        text = ""
        with suppress(OSError):
            text = (folder / "information").read_text()
        model, minor = (re.search(rf"^{key}:\s*(.+?)\s*$", text, re.MULTILINE) for key in ("Model", "Device Minor"))
        if not devices or minor is None or f"nvidia{minor[1]}" in devices:
            models.append(_UNNAMED if model is None else model[1])
    return models


def _library_models() -> list[str]:
    """The model of each GPU by NVIDIA's management library, which asks the driver of Windows; empty without it."""
    models: list[str] = []
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        number, name = ctypes.c_uint(), ctypes.create_string_buffer(96)
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(number)):
            return []
        for index in range(number.value):
            card = ctypes.c_void_p()
            failed = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(card))
            failed = failed or library.nvmlDeviceGetName(card, name, len(name))
            models.append(_UNNAMED if failed else name.value.decode(errors="replace"))
        library.nvmlShutdown()
    return models
