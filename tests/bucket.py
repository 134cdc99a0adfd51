"""A bucket for tests: objects without folders and renames, in files of a folder, that several processes share."""

import os
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, unquote

from pyarrow import fs


class Bucket:
    """What `Store` uses of a file system of pyarrow's."""

    type_name = "bucket"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def _file(self, key: str) -> Path:
        return self._folder / quote(key, safe="")

    def _keys(self) -> list[str]:
        return sorted(unquote(name) for name in os.listdir(self._folder) if not name.startswith("."))  # noqa: PTH208

    def _info(self, key: str) -> Any:
        try:
            status = self._file(key).stat()
        except FileNotFoundError:
            below = any(each.startswith(f"{key}/") for each in self._keys())
            kind = fs.FileType.Directory if below else fs.FileType.NotFound
            return SimpleNamespace(path=key, type=kind, size=None, mtime_ns=None)
        return SimpleNamespace(path=key, type=fs.FileType.File, size=status.st_size, mtime_ns=status.st_mtime_ns)

    def get_file_info(self, wanted: fs.FileSelector | str | Sequence[str]) -> Any:
        """What is known of an object, of several, or of all below a prefix."""
        if isinstance(wanted, str):
            return self._info(wanted)
        if not isinstance(wanted, fs.FileSelector):
            return [self._info(key) for key in wanted]
        found, prefix = {}, f"{wanted.base_dir}/"
        for key in self._keys():
            if not key.startswith(prefix):
                continue
            steps = key.removeprefix(prefix).split("/")
            for depth in range(1, len(steps) + 1 if wanted.recursive else 2):
                path = prefix + "/".join(steps[:depth])
                found[path] = self._info(path)
        return [info for info in found.values() if info.type != fs.FileType.NotFound]

    def open_input_file(self, key: str) -> BytesIO:
        """An object's content."""
        return BytesIO(self._file(key).read_bytes())

    def open_output_stream(self, key: str) -> "_Upload":
        """A new object, which shows when it is closed."""
        return _Upload(self._file(key))

    def delete_file(self, key: str) -> None:
        """Delete an object."""
        self._file(key).unlink()

    def delete_dir(self, prefix: str) -> None:
        """Delete all objects below a prefix."""
        for key in self._keys():
            if key.startswith(f"{prefix}/"):
                self._file(key).unlink()


class _Upload:
    def __init__(self, file: Path) -> None:
        self._file, self._pieces = file, []  # type: ignore[var-annotated]

    def write(self, piece: bytes | memoryview) -> None:
        """Take a piece of the object."""
        self._pieces.append(bytes(piece))

    def close(self) -> None:
        """Complete the object."""
        if self._pieces is None:
            return
        uploaded = self._file.with_name(f".{os.getpid()}-{time.monotonic_ns()}")
        uploaded.write_bytes(b"".join(self._pieces))
        uploaded.replace(self._file)
        self._pieces = None  # type: ignore[assignment]
