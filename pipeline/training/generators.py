"""The global random generators that the user's code may draw from: Python's, NumPy's, TensorFlow's and Keras'.

TensorFlow and Keras are seeded only where they are imported, or when they are imported meanwhile: importing them for
that alone takes seconds.
"""

import importlib.machinery
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.abc import Loader, MetaPathFinder
from types import ModuleType
from typing import Any

import numpy as np

from pipeline.study.tensorflow_messages import without_notes

_SEEDED = ("tensorflow", "keras")
_NUMPY = "MT19937"


def seed_globally(seed: int, *, gpus: bool = True) -> None:
    """Start all global generators again."""
    random.seed(seed)
    np.random.seed(seed)
    for name in _SEEDED:
        if name in sys.modules:
            _start_again(name, seed, gpus=gpus)


@contextmanager
def seeding_imports(seed: int, *, gpus: bool = True) -> Iterator[None]:
    """Start the generators of TensorFlow and Keras from a seed if they are imported within the context."""
    if all(name in sys.modules for name in _SEEDED):
        yield
        return
    finder = _SeedingFinder(seed, gpus)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def seeded_globally(seed: int, *, gpus: bool) -> Iterator[None]:
    """Start all global generators again, including those of libraries that are imported within the context."""
    seed_globally(seed, gpus=gpus)
    with seeding_imports(seed, gpus=gpus):
        yield


@dataclass(frozen=True, slots=True)
class GeneratorStates:
    """The states of the global generators at one moment."""

    python: tuple[Any, ...]
    numpy: tuple[Any, ...] | None
    libraries: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def now(cls) -> "GeneratorStates":
        """The present states of Python's and NumPy's generators."""
        numpy: Any = np.random.get_state()
        return cls(random.getstate(), numpy if isinstance(numpy, tuple) else None)

    def with_libraries(self) -> "GeneratorStates":
        """These states, and the current ones of TensorFlow and Keras."""
        if "keras" not in sys.modules:
            return self
        from pipeline.training.internals import library_generators

        return replace(self, libraries=library_generators())

    def restore(self) -> None:
        """Continue from these states. TensorFlow is imported if it was when they were taken."""
        random.setstate(self.python)
        if self.numpy is not None:
            np.random.set_state(self.numpy)
        if self.libraries:
            from pipeline.training.internals import restore_library_generators

            restore_library_generators(self.libraries)

    def to_tree(self) -> dict[str, Any]:
        """The states as a tree of JSON values and arrays."""
        version, numbers, gauss = self.python
        numpy = None if self.numpy is None else [np.array(self.numpy[1]), *self.numpy[2:]]
        python = [version, np.array(numbers, np.uint32), gauss]
        return {"python": python, "numpy": numpy, "libraries": dict(self.libraries)}

    @classmethod
    def from_tree(cls, tree: Mapping[str, Any]) -> "GeneratorStates":
        """Read the states from the result of `to_tree`."""
        version, numbers, gauss = tree["python"]
        numpy = None if tree["numpy"] is None else (_NUMPY, *tree["numpy"])
        return cls((version, tuple(map(int, numbers)), gauss), numpy, tree["libraries"])


def _start_again(name: str, seed: int, *, gpus: bool) -> None:
    if name == "tensorflow":
        if not gpus:
            # TensorFlow looks for GPUs here, and prints a warning if there is no driver.
            with without_notes(gpus=False), suppress(RuntimeError):  # it has started its devices
                sys.modules[name].config.set_visible_devices([], "GPU")
        sys.modules[name].random.set_seed(seed)
    else:
        from pipeline.training.internals import reset_seeds

        reset_seeds()


class _SeedingFinder(MetaPathFinder):
    """Seeds TensorFlow and Keras when they are imported: an import only for the seed takes seconds."""

    def __init__(self, seed: int, gpus: bool) -> None:
        self._seed, self._gpus = seed, gpus

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What Python's import asks."""
        if fullname not in _SEEDED:
            return None
        others = (finder for finder in list(sys.meta_path) if finder is not self)
        specs = (finder.find_spec(fullname, path, target) for finder in others)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _SeedingLoader(spec.loader, self._seed, self._gpus)
        return spec


class _SeedingLoader(Loader):
    """Loads a module with its own loader, and seeds it. Numbers that it draws meanwhile do not count."""

    def __init__(self, loader: Loader, seed: int, gpus: bool) -> None:
        self._loader, self._seed, self._gpus = loader, seed, gpus

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        """As the module's own loader."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """As the module's own loader; then TensorFlow's generator starts from the seed."""
        drawn, numpy_drawn = random.getstate(), np.random.get_state()
        self._loader.exec_module(module)
        _start_again(module.__name__, self._seed, gpus=self._gpus)
        random.setstate(drawn)
        np.random.set_state(numpy_drawn)
