"""A study's copies of its sources: each is checked before it runs; nothing else in their folder can be imported."""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

from pipeline.study.named_functions import named_functions
from pipeline.study.recorded_copies import RecordedCopies, digest_of
from pipeline.study.source_loader import SourceTextLoader, content_of

_PACKAGE = "__init__.py"


class Copies(importlib.abc.MetaPathFinder):
    """A finder for the copies of the modules of a job's functions, and of the modules that these import.

    Once installed, an import of one of these modules returns what the study recorded, whatever is installed under that
    name now: the user's own file if it has the same content, else the copy, with the `__file__` of `users_file`. Other
    modules that these import are also searched in the folders of the user's files, after all other paths.
    """

    def __init__(self, folder: Path, fields: Mapping[str, Any], recorded: RecordedCopies | None = None) -> None:
        self.folder = folder
        """The folder of the copies."""
        recorded = recorded or RecordedCopies()
        self.arguments = recorded.arguments or ()
        """The arguments of the script that started the study; empty if none did."""
        self._copies = dict(recorded.modules)
        self._originals = [Path(original) for original in recorded.folders if Path(original).is_absolute()]
        self._functions: set[str] = set()
        for value in named_functions(fields).values():
            digest = value.get("sha256")
            if isinstance(digest, str):
                module = value["function"].rpartition(":")[0]
                path, _ = self._copies.get(module, (f"{module}.py", ""))
                self._copies[module] = (path, digest)
                self._functions.add(module)
        self._files = dict(recorded.files)
        self._packages = {
            name.rsplit(".", steps)[0] for name in self._copies for steps in range(1, name.count(".") + 1)
        } - set(self._copies)
        self._replaced: dict[str, ModuleType] = {}
        self._added_paths: list[str] = []

    def path(self, module: str) -> Path | None:
        """The path of a module's copy; None if there is no copy, or no digest to check it."""
        if module not in self._copies:
            return None
        path = self.folder / self._copies[module][0]
        return path if path.is_file() else None

    def content(self, module: str) -> bytes:
        """A copy's text, as it was saved."""
        path, digest = self._copies[module]
        content = (self.folder / path).read_bytes()
        if digest_of(content) != digest:
            raise ValueError(
                f"the copy {self.folder / path} has changed since the study was saved: restore it, or continue with "
                "the job's own file (`tunepipe run FILE --resume`)"
            )
        return content

    def users_file(self, module: str) -> Path | None:
        """The user's file of a copy that reads files or folders next to it, as the value of its `__file__`.

        A folder is not copied, so the code of the copy finds it only from where the user's file is.
        """
        if b"__file__" not in self.content(module):
            return None
        for folder in self._originals:
            file = folder / self._copies[module][0]
            if file.is_file():
                return file if all(self._original(*each) for each in self._files.items()) else None
        return None

    def unchanged_originals(self) -> dict[str, str]:
        """The path of each copy → the user's file from which it was copied, if that still has the same content."""
        originals: dict[str, str] = {}
        for relative, digest in self._copies.values():
            original = self._original(relative, digest)
            if original is not None:
                copy = self.folder / relative
                originals |= {str(copy): str(original), str(copy.resolve()): str(original)}
        return originals

    def loaded_modules_match(self) -> bool:
        """Whether every one of these modules that is loaded has the content that the study recorded."""
        return all(
            digest_of(content_of(vars(sys.modules[name]))) == digest
            for name, (_, digest) in self._copies.items()
            if name in sys.modules
        )

    def install(self) -> None:
        """Make imports find these modules before all others; the copies of another study are uninstalled."""
        if self in sys.meta_path:
            return
        forget_copies()
        if not self.loaded_modules_match():
            self._replaced = {name: sys.modules.pop(name) for name in self._copies if name in sys.modules}
        sys.meta_path.insert(0, self)
        self._added_paths = [
            str(folder) for folder in self._originals if str(folder) not in sys.path and folder.is_dir()
        ]
        sys.path += self._added_paths

    def import_package(self, module: str) -> ModuleType | None:
        """Import the package of a copy before the copy itself, as Python does."""
        path = PurePosixPath(self._copies[module][0])
        if "." not in module or list(path.with_suffix("").parts) != module.split("."):
            return None
        sys.modules.pop(module, None)
        importlib.import_module(module.rpartition(".")[0])
        return sys.modules.get(module)

    def remove(self) -> None:
        """Unload the modules that were imported from here, and restore those that they replaced."""
        sys.meta_path.remove(self)
        sys.path[:] = [entry for entry in sys.path if entry not in self._added_paths]
        for name in self._copies:
            loader = getattr(getattr(sys.modules.get(name), "__spec__", None), "loader", None)
            if isinstance(loader, SourceTextLoader) and loader.of_study:
                del sys.modules[name]
        sys.modules.update(self._replaced)
        self._replaced = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module for Python's import."""
        if fullname in self._packages:
            return self._namespace(fullname, path)
        if fullname not in self._copies:
            return None
        relative, digest = self._copies[fullname]
        # The module of a job's function is always the copy, because the study shows its source.
        file = None if fullname in self._functions else self._original(relative, digest)
        if file is not None:
            return _spec(fullname, file, file.read_bytes(), [str(file.parent)])
        if self.path(fullname) is None:
            raise ModuleNotFoundError(f"The study's copy {self.folder / relative} does not exist.", name=fullname)
        spec = _spec(fullname, self.folder / relative, self.content(fullname), [])
        spec.origin = str(self.users_file(fullname) or spec.origin)
        return spec

    def _original(self, relative: str, digest: str) -> Path | None:
        """The user's file, if it still has the content of its copy."""
        return next((folder / relative for folder in self._originals if _has_digest(folder / relative, digest)), None)

    def _namespace(self, name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
        """A package without an `__init__` file, unless there is a real one elsewhere."""
        others = (finder for finder in sys.meta_path if not isinstance(finder, Copies))
        found = (finder.find_spec(name, path, None) for finder in others)
        if any(spec is not None and spec.origin is not None for spec in found):
            return None
        folders = [original.joinpath(*name.split(".")) for original in self._originals]
        spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(folder) for folder in folders if folder.is_dir()]
        return spec


def forget_copies() -> None:
    """Make imports find what they would find without any study."""
    for finder in [finder for finder in sys.meta_path if isinstance(finder, Copies)]:
        finder.remove()


@contextmanager
def as_before() -> Iterator[None]:
    """A context after which imports find the same study's copies as before."""
    before = [finder for finder in sys.meta_path if isinstance(finder, Copies)]
    try:
        yield
    finally:
        if [finder for finder in sys.meta_path if isinstance(finder, Copies)] != before:
            forget_copies()
            for finder in before:
                finder.install()


def _has_digest(file: Path, digest: str) -> bool:
    try:
        return file.is_file() and digest_of(file.read_bytes()) == digest
    except OSError:
        return False


def _spec(name: str, file: Path, content: bytes, within: list[str]) -> importlib.machinery.ModuleSpec:
    package = file.name == _PACKAGE
    spec = importlib.machinery.ModuleSpec(name, SourceTextLoader(file, content), origin=str(file), is_package=package)
    spec.has_location = True
    if package:
        spec.submodule_search_locations = within
    return spec
