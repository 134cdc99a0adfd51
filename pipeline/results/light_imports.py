"""Import a library without modules that it loads and that this process does not use."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader


@contextmanager
def light_imports(
    *, hidden: Sequence[str] = (), deferred: Sequence[str] = (), empty: Sequence[str] = ()
) -> Iterator[None]:
    """A context in which some imports load less; modules that are loaded already stay."""
    finder = _LightImports(hidden, deferred, empty)
    there = set(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in empty:
            if name not in there:
                sys.modules.pop(name, None)


class _LightImports(MetaPathFinder):
    """Finds modules in the way that `light_imports` says, as long as it is the first finder."""

    def __init__(self, hidden: Sequence[str], deferred: Sequence[str], empty: Sequence[str]) -> None:
        self._hidden, self._deferred, self._empty = hidden, deferred, empty

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if fullname in self._hidden:
            raise ModuleNotFoundError(f"{fullname} is hidden", name=fullname)
        if fullname not in self._deferred and fullname not in self._empty:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        if fullname in self._deferred:
            spec.loader = LazyLoader(spec.loader)
            return spec
        # Without a loader it is a namespace: a package without code.
        empty = ModuleSpec(fullname, None, is_package=True)
        empty.submodule_search_locations = spec.submodule_search_locations
        return empty
