"""Setting up a process for training: importing Keras once, and TensorFlow's threads and devices before their start."""

import ctypes
import gc
import math
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from typing import Any

from pipeline.code.modules import quiet_retracing, without_notes
from pipeline.errors import ModelError, ResourcesUnmet
from pipeline.machine import this_machine
from pipeline.study import Resources
from pipeline.text import counted

_LATER = frozenset({"keras.wrappers", "matplotlib.pyplot"})
"""What Keras imports of scikit-learn and Matplotlib, and no trial needs: a third of the time of its import."""

_BACKEND = "Models are trained with TensorFlow: leave KERAS_BACKEND and `backend` in keras.json out, or set tensorflow."

_set_up_for: Resources | None = None


def import_keras() -> None:
    refuse_other_keras()
    if "keras" not in sys.modules:
        sys.meta_path.insert(0, _LazyFinder)
        try:
            with garbage_collection_off():
                import keras
        except ModuleNotFoundError as error:
            raise ModelError(f"Keras cannot be imported: {error}. {_BACKEND}") from error
        finally:
            sys.meta_path.remove(_LazyFinder)
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise ModelError(f"Keras uses the backend {backend}. {_BACKEND}")


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Turn Python's garbage collector off within the context: an import makes a million objects, and frees few."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _LazyFinder:
    @staticmethod
    def find_spec(name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in _LATER else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def set_up(resources: Resources) -> None:
    """Give TensorFlow the threads and the GPU memory that a trial may have.

    On a CPU, a trial with one core runs single operations on one thread: faster for small models, and the same to the
    last digit for any number of trials at the same time. A trial without GPUs sees none. On a GPU, memory grows as
    needed; a fraction of a card limits it.
    """
    global _set_up_for
    if _set_up_for != resources:
        _start(resources)
        _set_up_for = resources
    from pipeline.training.internals import keep_additions

    keep_additions()


def _start(resources: Resources) -> None:
    with without_notes(gpus=bool(resources.gpus)):
        import_keras()
        import tensorflow as tf

        cards = tf.config.list_physical_devices("GPU")
    quiet_retracing()
    if resources.gpus and not cards:
        raise ResourcesUnmet(
            f"A trial requests {counted(resources.gpus, 'GPU')}, but TensorFlow finds none in this process. Install "
            "the GPU build (pip install '.[gpu]' in the checkout) on a machine with an NVIDIA driver, or set "
            "resources.gpus to 0."
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


def memory_for_data(resources: Resources, workers: int | None = None) -> float:
    """The bytes that one trial's process may fill with data: half of its share of the free memory."""
    if resources.gpus:
        return _card_bytes(0) * min(1.0, resources.gpus) / 2
    return this_machine().free / (workers or workers_on(resources)) / 2


def workers_on(
    resources: Resources, cpus: float | None = None, gpus: float | None = None, memory: float = math.inf
) -> int:
    """How many workers may train on a machine in parallel: as many as fit, and at least one."""
    if cpus is None or gpus is None:
        machine = this_machine()
        cpus, gpus = machine.cpus, len(machine.gpus)
    fits = resources.fit(cpus, gpus, memory)
    return max(1, fits if resources.workers is None else min(fits, resources.workers))


def _card_bytes(index: int) -> int:
    """A card's memory in bytes, from the driver, without starting work on the card."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, size = ctypes.c_int(), ctypes.c_size_t()
    answers = [
        driver.cuInit(0),
        driver.cuDeviceGet(ctypes.byref(device), index),
        driver.cuDeviceTotalMem_v2(ctypes.byref(size), device),
    ]
    if any(answers):
        raise ResourcesUnmet(f"The CUDA driver does not report the memory of GPU {index} (codes {answers}).")
    return int(size.value)


def refuse_other_keras() -> None:
    """Refuse an environment that asks for Keras 2, or for another backend than TensorFlow."""
    if os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true"):
        raise ModelError("Keras must be version 3. Remove TF_USE_LEGACY_KERAS from the environment and the program.")
    if (chosen := os.environ.get("KERAS_BACKEND")) not in (None, "", "tensorflow"):
        raise ModelError(f"KERAS_BACKEND is {chosen}. {_BACKEND}")
