"""Importing Keras without the modules that no trial needs, in two thirds of the time.

Keras imports scikit-learn for its wrappers and pyplot for its image galleries. Here both are imported at their first
use by `importlib.util.LazyLoader`, so two threads must not start to use one at the same time. Python's garbage
collector is off meanwhile: it would scan a million new objects repeatedly and free almost nothing.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

from pipeline.errors import ModelError
from pipeline.study.keras_backend import BACKEND, other_backend, refuse_other_keras

_LATER = frozenset({"keras.wrappers", "matplotlib.pyplot"})


def import_keras() -> None:
    """Import Keras and TensorFlow, unless they are imported already."""
    refuse_other_keras()
    if "keras" not in sys.modules:
        finder = _Later()
        sys.meta_path.insert(0, finder)
        try:
            with garbage_collection_off():
                import keras
        except ModuleNotFoundError as error:
            if found := other_backend(error):
                raise ModelError(f"Keras {BACKEND}. Found: {found}.") from error
            raise
        finally:
            sys.meta_path.remove(finder)
    import keras

    if (backend := keras.backend.backend()) != "tensorflow":
        raise ModelError(f"Keras {BACKEND}. Found: {backend}.")
    refuse_other_keras()


@contextmanager
def garbage_collection_off() -> Iterator[None]:
    """Turn Python's garbage collector off within the context."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Later(MetaPathFinder):
    """Finds the modules that are imported at their first use."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in _LATER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
