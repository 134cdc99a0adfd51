"""The global random generators that the user's code may draw from: Python's, NumPy's, TensorFlow's and Keras'.

TensorFlow and Keras are seeded where they are imported, or when they are imported meanwhile: importing them for that
alone takes seconds.
"""

import random
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.code import without_notes

_LIBRARIES = ("tensorflow", "keras")


def seed_generators(seed: int, purpose: str) -> None:
    """Start Python's and NumPy's global generators again."""
    number = zlib.crc32(f"{seed} {purpose}".encode())
    random.seed(number)
    np.random.seed(number)


def seed_globally(seed: int, *, gpus: bool = True) -> None:
    """Start all global generators again."""
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
    """Continue from states that `generator_states` returned, here or in another process."""
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
