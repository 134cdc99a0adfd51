"""What training changes in its process: settings of Keras, the user's registered classes, random generators.

Settings that a job's file or a notebook makes hold for every model; those of a model function hold for its own model.
"""

import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.code.modules import without_notes

_own: "KerasSettings | None" = None


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
    global _own
    if _own is None:
        _own = KerasSettings.current()
    else:
        _own.restore()


@contextmanager
def kept_global_state() -> Iterator[None]:
    """Restore Keras' settings, and the generators of Python and NumPy, after the context, which is that of one job.

    Threads and visible GPUs stay, because TensorFlow takes them once for a process. Classes that the job registers with
    Keras stay registered.
    """
    global _own
    _own = None
    if "keras" in sys.modules:
        from pipeline.training.persistent_objects import forget_first_values

        forget_first_values()
    python, numpy, settings = random.getstate(), np.random.get_state(), KerasSettings.current()
    try:
        yield
    finally:
        if settings is not None:
            settings.restore()
        random.setstate(python)
        np.random.set_state(numpy)


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

_LIBRARIES = ("tensorflow", "keras")


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


def generator_states(*, libraries: bool) -> dict[str, Any]:
    """The present states of the global generators: JSON values and arrays."""
    python, numpy = random.getstate(), np.random.get_state()
    states: dict[str, Any] = {"python": [python[0], np.array(python[1], np.uint32), python[2]], "numpy": list(numpy)}
    if libraries and "keras" in sys.modules:
        from pipeline.training.internals import library_generators

        states["libraries"] = library_generators()
    return states


def restore_generators(states: Mapping[str, Any]) -> None:
    version, numbers, gauss = states["python"]
    random.setstate((version, tuple(map(int, numbers)), gauss))
    np.random.set_state(tuple(states["numpy"]))
    if states.get("libraries"):
        from pipeline.training.internals import restore_library_generators

        restore_library_generators(states["libraries"])


def _seed_library(module: ModuleType, seed: int, *, gpus: bool) -> None:
    if module.__name__ == "keras":
        from pipeline.training.internals import reset_seeds

        reset_seeds()
        return
    if not gpus:
        # TensorFlow looks for GPUs here, and prints a warning if there is no driver.
        with without_notes(gpus=False), suppress(RuntimeError):  # it has started its devices
            module.config.set_visible_devices([], "GPU")
    module.random.set_seed(seed)


class _SeedingFinder:
    def __init__(self, seed: int, gpus: bool) -> None:
        self._seed, self._gpus = seed, gpus

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in _LIBRARIES:
            return None
        specs = (finder.find_spec(name, path, target) for finder in sys.meta_path if finder is not self)
        spec = next(filter(None, specs), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                # Numbers that the library draws while it is imported do not count.
                states = random.getstate(), np.random.get_state()
                execute(module)
                _seed_library(module, self._seed, gpus=self._gpus)
                random.setstate(states[0])
                np.random.set_state(states[1])

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
