"""The machine of this process: host, processor, CPUs, memory, GPUs; read without Ray or TensorFlow."""

import itertools
import math
import os
import platform
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.machine.container_limits import limits

__all__ = ["Machine", "gpu_models", "held_memory", "this_machine"]

NVIDIA_DRIVER = Path("/proc/driver/nvidia/gpus")
DEVICES = Path("/dev")
_PROCESSORS = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that trains trials, or runs a study's driver: as much of it as the process may use.

    Args:
        host: Its name.
        system: Operating system and release.
        cpu: The processor's model.
        cpus: CPUs; a container may have a fraction of one.
        memory: Bytes of memory.
        free: Bytes of memory that nothing uses now.
        gpus: The model of each GPU.
    """

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
    """The machine of this process.

    Args:
        root: The folder that holds `proc` and `sys` with the limits of the container.
    """
    import psutil

    within, memory = limits(root), psutil.virtual_memory()
    return Machine(
        host=platform.node(),
        system=f"{platform.system()} {platform.release()}",
        cpu=_cpu_model(),
        cpus=min(within.cpus, float(_allowed_cpus())),
        memory=int(min(within.memory, memory.total)),
        free=int(min(within.free, memory.available)),
        gpus=gpu_models(),
    )


def held_memory() -> int:
    """Bytes of the machine's memory that this process holds."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def _allowed_cpus() -> int:
    """CPUs that this process may run on; a container may have a set of them."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        return os.cpu_count() or 1


def gpu_models() -> list[str]:
    """The model of each NVIDIA GPU that this process may use, as the driver's files name it."""
    models = [_gpu_model(folder) for folder in sorted(NVIDIA_DRIVER.glob("*"))]
    if not models:
        # Some containers have only the devices.
        models = ["NVIDIA GPU" for _ in DEVICES.glob("nvidia[0-9]*")]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None or not models:
        return models
    # CUDA stops at the first entry that is no device, such as -1, or NoDevFiles in a Slurm job without GPUs.
    named = (_named(entry.strip(), models) for entry in visible.split(","))
    return [model for model in itertools.takewhile(lambda model: model is not None, named) if model is not None]


def _named(entry: str, models: Sequence[str]) -> str | None:
    """The model of a GPU that CUDA_VISIBLE_DEVICES names by its number or identifier; None if it names none."""
    if entry.startswith(("GPU-", "MIG-")):
        # The driver's files of some versions do not have identifiers.
        return models[0]
    return models[int(entry)] if entry.isdecimal() and int(entry) < len(models) else None


def _gpu_model(folder: Path) -> str:
    with suppress(OSError):
        if match := re.search(r"^Model:\s*(.+?)\s*$", (folder / "information").read_text(), re.MULTILINE):
            return match[1]
    return "NVIDIA GPU"


def _cpu_model() -> str:
    with suppress(OSError):
        if match := re.search(r"^model name\s*:\s*(.+?)\s*$", _PROCESSORS.read_text(), re.MULTILINE):
            return match[1]
    return platform.processor() or platform.machine()
