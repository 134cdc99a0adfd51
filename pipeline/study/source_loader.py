"""Files of modules that are read once: the text that runs is the text that is hashed and copied later."""

import importlib.abc
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class SourceTextLoader(importlib.abc.SourceLoader):
    """A loader that runs a file's text and keeps it: the text that is hashed and copied later is the text that ran.

    It writes no bytecode: a study's folder may be read-only, and a stale cache would run other code than was checked.
    """

    def __init__(self, path: Path, content: bytes | None = None) -> None:
        self._path = path
        self.of_study = content is not None
        self.content = path.read_bytes() if content is None else content

    def get_filename(self, fullname: str) -> str:
        """The path of the file."""
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        """The text."""
        return self.content


def content_of(home: Mapping[str, Any]) -> bytes | None:
    """The text of the file from which a module was loaded; None if there is none."""
    loader = getattr(home.get("__spec__"), "loader", None)
    if isinstance(loader, SourceTextLoader):
        return loader.content
    file = home.get("__file__")
    return Path(file).read_bytes() if file and Path(file).is_file() else None
