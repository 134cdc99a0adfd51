"""A study's copies of its sources: each is looked at before it runs; nothing else in their folder can be imported."""

import hashlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["Copies", "ReadOnce", "digest_of"]


def digest_of(content: bytes | None) -> str | None:
    """The SHA-256 of a source; None where there is none."""
    return None if content is None else hashlib.sha256(content).hexdigest()


class ReadOnce(importlib.abc.SourceLoader):
    """Runs a file's text and keeps it: what is digested and copied later is what runs, though the file changes.

    Writes no bytecode: a study's folder may be read-only, and a stale cache would run other code than was checked.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self._path = path
        self.content = path.read_bytes() if content is None else content

    def get_filename(self, fullname: str) -> str:
        """Where the text came from."""
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        """The text."""
        return self.content


class Copies(importlib.abc.MetaPathFinder):
    """The copies of those modules that a job's functions are of.

    Args:
        folder: Where they lie.
        functions: The job's fields, as JSON: what they say of functions names the modules and their digests.
    """

    def __init__(self, folder: Path, functions: Mapping[str, Any]) -> None:
        self._folder = folder
        self._digests: dict[str, str] = {}
        for value in functions.values():
            if isinstance(value, Mapping) and isinstance(name := value.get("function"), str):
                digest = value.get("sha256")
                if isinstance(digest, str):
                    self._digests[name.partition(":")[0]] = digest

    def path(self, module: str) -> Path | None:
        """Where a module's copy lies; None where there is none, or no digest to hold it to."""
        path = self._folder / f"{module}.py"
        return path if module in self._digests and path.is_file() else None

    def content(self, path: Path) -> bytes:
        """A copy's text, as it was saved.

        Raises:
            ValueError: It has changed since.
        """
        content = path.read_bytes()
        if digest_of(content) != self._digests[path.name.removesuffix(".py")]:
            raise ValueError(f"the copy {path} has changed since the study was saved: put it back")
        return content

    @contextmanager
    def importable(self) -> Iterator[None]:
        """A copied module may import another one that is copied too; what is found elsewhere goes before."""
        sys.meta_path.append(self)
        try:
            yield
        finally:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """What Python's import asks for a module that it has not found elsewhere."""
        copy = self.path(fullname)
        if copy is None:
            return None
        return importlib.util.spec_from_file_location(fullname, copy, loader=ReadOnce(copy, self.content(copy)))
