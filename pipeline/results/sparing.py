"""Import a library without modules that it loads and that this process does not use."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader

__all__ = ["sparing"]


@contextmanager
def sparing(*, absent: Sequence[str] = (), late: Sequence[str] = (), bare: Sequence[str] = ()) -> Iterator[None]:
    """A context in which imports of some modules do less; modules that are there already stay as they are.

    Args:
        absent: Names of modules that are not found, for libraries that can do without.
        late: Names of modules whose code runs when they are first used, perhaps never; or when they are
            imported again.
        bare: Names of packages whose own code does not run: of these, libraries use single modules only. After the
            context the next import runs it.

    Yields:
        Nothing.
    """
    finder = _Sparing(absent, late, bare)
    there = set(sys.modules)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in bare:
            if name not in there:
                sys.modules.pop(name, None)


class _Sparing(MetaPathFinder):
    """Finds modules in the way that `sparing` says, as long as it is the first finder."""

    def __init__(self, absent: Sequence[str], late: Sequence[str], bare: Sequence[str]) -> None:
        self._absent, self._late, self._bare = absent, late, bare

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:
        if fullname in self._absent:
            raise ModuleNotFoundError(f"{fullname} is hidden", name=fullname)
        if fullname not in self._late and fullname not in self._bare:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.loader is None:
            return None
        if fullname in self._late:
            spec.loader = LazyLoader(spec.loader)
            return spec
        # Without a loader it is a namespace: a package without code.
        bare = ModuleSpec(fullname, None, is_package=True)
        bare.submodule_search_locations = spec.submodule_search_locations
        return bare
