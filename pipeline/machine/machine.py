"""The machine of this process: host, processor, CPUs, memory, GPUs; read without Ray or TensorFlow."""

import ctypes
import itertools
import math
import os
import platform
import re
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.machine.container_limits import container_limits

NVIDIA_DRIVER = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")
_PROCESSORS = Path("/proc/cpuinfo")

_UNNAMED = "NVIDIA GPU"
_WSL_DEVICE = "dxg"
"""The device of all GPUs in WSL 2, which has no others and no files of NVIDIA's driver."""
_LIBRARY, _NAME_BYTES = "libnvidia-ml.so.1", 96


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
    """The machine of this process."""
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


def _allowed_cpus() -> int:
    """CPUs that this process may run on; a container may have a set of them."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        allowed = os.cpu_count() or 1
    # Some clusters leave it to the job to keep to what it was granted.
    granted = os.environ.get("SLURM_CPUS_ON_NODE", "")
    return min(allowed, int(granted)) if granted.isdecimal() and int(granted) else allowed


def gpu_models() -> list[str]:
    """The model of each NVIDIA GPU that this process may use, as the driver's files name it."""
    devices = {device.name for device in DEVICES.glob("nvidia[0-9]*")}
    models = _driver_models(devices)
    if not models:
        # Some containers have only the devices.
        models = [_UNNAMED for _ in devices]
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
        library = ctypes.CDLL(_LIBRARY)
        number, name = ctypes.c_uint(), ctypes.create_string_buffer(_NAME_BYTES)
        if library.nvmlInit_v2() or library.nvmlDeviceGetCount_v2(ctypes.byref(number)):
            return []
        for index in range(number.value):
            card = ctypes.c_void_p()
            failed = library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(card))
            failed = failed or library.nvmlDeviceGetName(card, name, _NAME_BYTES)
            models.append(_UNNAMED if failed else name.value.decode(errors="replace"))
        library.nvmlShutdown()
    return models


def _cpu_model() -> str:
    with suppress(OSError):
        if match := re.search(r"^model name\s*:\s*(.+?)\s*$", _PROCESSORS.read_text(), re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()
