"""Keras is imported without what no trial needs: in two thirds of the seconds.

Keras imports scikit-learn and pyplot for its wrappers and its galleries of pictures. Here these two are imported at
their first use, as `importlib.util.LazyLoader` has it, whose limits are theirs: threads that are the first to use one
must not be two. And Python's collector, which would go over a million new objects again and again and find next to
nothing, waits until they are there.
"""

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

__all__ = ["import_keras", "uncollected"]

_LATER = frozenset({"keras.wrappers", "matplotlib.pyplot"})


def import_keras() -> None:
    """Import Keras and TensorFlow, unless they are imported already."""
    if "keras" in sys.modules:
        return
    finder = _Later()
    sys.meta_path.insert(0, finder)
    try:
        with uncollected():
            import keras  # noqa: F401
    finally:
        sys.meta_path.remove(finder)


@contextmanager
def uncollected() -> Iterator[None]:
    """Have Python's collector of cyclic garbage wait until the context is left."""
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
