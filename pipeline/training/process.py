"""What training sets in its process: the import of Keras, TensorFlow's devices, Keras' settings, random generators.

Settings of Keras that a job's file or a notebook makes hold for every model; those of a model function hold for its own
model.
"""

import ctypes
import gc
import math
import os
import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.code.modules import quiet_retracing, without_notes
from pipeline.errors import ModelError, ResourcesUnmet
from pipeline.machine import this_machine
from pipeline.study import Resources
from pipeline.text import counted, note

_LATER = frozenset({"keras.wrappers", "matplotlib.pyplot"})
"""What Keras imports of scikit-learn and Matplotlib, and no trial needs: a third of the time of its import."""

_BACKEND = "Models are trained with TensorFlow: leave KERAS_BACKEND and `backend` in keras.json out, or set tensorflow."

_LIBRARIES = ("tensorflow", "keras")

_set_up_for: Resources | None = None
_job_settings: "KerasSettings | None" = None

first_values: dict[int, tuple[Any, Any]] = {}
"""The id of a variable or layer that the job's modules made → it, and its value, or whether it trains, at first."""


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
    if _set_up_for == resources:
        return
    with without_notes():
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
            note("tunepipe: TensorFlow was started before the study; its threads and its GPU memory stay as they are.")
    from pipeline.training.internals import keep_additions

    keep_additions()
    _set_up_for = resources


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


# Keras' settings, and the classes that a job registers with it.


@dataclass(frozen=True, slots=True)
class KerasSettings:
    """Keras' float type, dtype policy and order of an image's axes for a process."""

    floatx: str
    dtype_policy: Any
    image_data_format: str

    @classmethod
    def current(cls) -> "KerasSettings | None":
        if "keras" not in sys.modules:
            return None
        import keras

        from pipeline.training.internals import chosen_dtype_policy

        return cls(keras.config.floatx(), chosen_dtype_policy(), keras.config.image_data_format())

    def restore(self) -> None:
        import keras

        from pipeline.training.internals import restore_dtype_policy

        keras.config.set_floatx(self.floatx)
        restore_dtype_policy(self.dtype_policy)
        keras.config.set_image_data_format(self.image_data_format)


def restore_own_settings() -> None:
    """Restore what was set before the first model function of this process was called."""
    global _job_settings
    if _job_settings is None:
        _job_settings = KerasSettings.current()
    else:
        _job_settings.restore()


@contextmanager
def kept_global_state() -> Iterator[None]:
    """Restore Keras' settings, and the generators of Python and NumPy, after the context, which is that of one job.

    Threads and visible GPUs stay, because TensorFlow takes them once for a process. Classes that the job registers with
    Keras stay registered.
    """
    global _job_settings
    _job_settings = None
    first_values.clear()
    generators, settings = generator_states(), KerasSettings.current()
    try:
        yield
    finally:
        # Where the job has imported Keras, the settings of its file, not those of its model function.
        if (first := settings or _job_settings) is not None:
            first.restore()
        restore_generators(generators)


def registered(module: str = "__main__") -> Mapping[str, Any]:
    """A module's objects that are registered with `keras.saving.register_keras_serializable`, by registered name."""
    if "keras" not in sys.modules:
        return {}
    import keras

    objects: Mapping[str, Any] = keras.saving.get_custom_objects()
    return {name: each for name, each in objects.items() if getattr(each, "__module__", None) == module}


def register(objects: Mapping[str, Any]) -> None:
    for name, each in objects.items():
        import keras

        package, _, own = name.rpartition(">")
        keras.saving.register_keras_serializable(package or "Custom", own)(each)


# The global random generators that the user's code may draw from.


def seed_generators(seed: int, purpose: str) -> None:
    number = zlib.crc32(f"{seed} {purpose}".encode())
    random.seed(number)
    np.random.seed(number)


def seed_globally(seed: int, *, gpus: bool = True) -> None:
    random.seed(seed)
    np.random.seed(seed)
    for name in _LIBRARIES:
        if name in sys.modules:
            _seed_library(sys.modules[name], seed, gpus=gpus)


@contextmanager
def seeding_imports(seed: int, *, gpus: bool = True) -> Iterator[None]:
    """Start the generators of TensorFlow and Keras from a seed if they are imported within the context."""
    finder = _SeedingFinder(seed, gpus)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


def generator_states() -> dict[str, Any]:
    """The present states of Python's and NumPy's global generators: JSON values and arrays."""
    python, numpy = random.getstate(), np.random.get_state()
    return {"python": [python[0], np.array(python[1], np.uint32), python[2]], "numpy": list(numpy)}


def restore_generators(states: Mapping[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(map(int, numbers)), gauss))
    np.random.set_state(tuple(states["numpy"]))


def _seed_library(module: ModuleType, seed: int, *, gpus: bool) -> None:
    if module.__name__ == "keras":
        from pipeline.training.internals import reset_seeds

        reset_seeds()
        return
    if not gpus:
        # TensorFlow looks for GPUs here, and prints a warning if there is no driver.
        with without_notes(), suppress(RuntimeError):  # it has started its devices
            module.config.set_visible_devices([], "GPU")
    module.random.set_seed(seed)


class _SeedingFinder:
    def __init__(self, seed: int, gpus: bool) -> None:
        self._seed, self._gpus = seed, gpus

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in _LIBRARIES else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                # Numbers that the library draws while it is imported do not count.
                states = generator_states()
                execute(module)
                _seed_library(module, self._seed, gpus=self._gpus)
                restore_generators(states)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
