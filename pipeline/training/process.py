"""A process is set up for training once, before TensorFlow starts its devices."""

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.errors import ResourcesUnmet
from pipeline.study import Resources
from pipeline.training.lean import import_keras

__all__ = ["machine_bytes", "memory_for_data", "set_up", "worn"]

_set_up_for: Resources | None = None


def set_up(resources: Resources) -> None:
    """Give TensorFlow the threads and the GPU memory that a trial may have.

    On a CPU a trial of one core runs single operations on one thread: faster for small models, and the same to the last
    digit however many trials run beside it. A trial without GPUs sees none. On a GPU memory grows as needed; a fraction
    of a card is a limit on it.

    Args:
        resources: What one trial gets.

    Raises:
        ResourcesUnmet: A trial asks for GPUs, and TensorFlow finds none.
    """
    global _set_up_for
    if _set_up_for == resources:
        return
    with _without_notes():
        import_keras()
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
    if resources.gpus and not cards:
        raise ResourcesUnmet(
            f"A trial asks for {resources.gpus:g} GPUs, and TensorFlow finds none in this process. Install the GPU "
            "build (pip install 'tunepipe[gpu]') on a machine with an NVIDIA driver, or set resources.gpus to 0."
        )
    threads = max(1, int(resources.cpus))
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        if not resources.gpus:
            tf.config.set_visible_devices([], "GPU")
        for index, card in enumerate(cards if resources.gpus else ()):
            if resources.gpus < 1:
                limit = int(_card_bytes(index) * resources.gpus / 2**20)
                tf.config.set_logical_device_configuration(card, [tf.config.LogicalDeviceConfiguration(limit)])
            else:
                tf.config.experimental.set_memory_growth(card, True)
    except RuntimeError:
        if tf.config.threading.get_intra_op_parallelism_threads() != threads or resources.gpus:
            print("tunepipe: TensorFlow was started before the study; its threads and its GPU memory stay as they are.")
    _set_up_for = resources


@contextmanager
def _without_notes() -> Iterator[None]:
    """Keep off the terminal what TensorFlow tells of the machine while it is loaded; errors still raise."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def memory_for_data(resources: Resources) -> float:
    """Bytes that one trial's process may fill with data: half of its share of what is free."""
    if resources.gpus:
        return _card_bytes(0) * min(1.0, resources.gpus) / 2
    import psutil

    beside = max(1.0, (os.cpu_count() or 1) / max(1.0, resources.cpus))
    return float(psutil.virtual_memory().available) / beside / 2


def worn(resources: Resources) -> bool:
    """Whether this process holds more memory than a worker should.

    Args:
        resources: What one trial gets; unless they set a ceiling, a trial's share of nine tenths of what there is.
    """
    import psutil

    beside = max(1.0, (os.cpu_count() or 1) / max(1.0, resources.cpus))
    ceiling = 0.9 * machine_bytes() / beside
    if resources.worker_gigabytes is not None:
        ceiling = resources.worker_gigabytes * 1e9
    return bool(psutil.Process().memory_info().rss > ceiling)


def machine_bytes() -> float:
    """The memory of this machine, or of the container that it is."""
    import psutil

    limits = [float(psutil.virtual_memory().total)]
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limits.append(float(Path(file).read_text()))
    return min(limits)


def _card_bytes(index: int) -> int:
    """A card's memory, as the driver tells it without starting work on the card."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, size = ctypes.c_int(), ctypes.c_size_t()
    answers = [
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), index),
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device),
    ]
    if any(answers):
        raise ResourcesUnmet(f"The CUDA driver does not tell the memory of GPU {index} (codes {answers}).")
    return int(size.value)
