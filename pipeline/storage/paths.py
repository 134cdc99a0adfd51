"""Paths within a folder, what is found there, and the names of files that are being written."""

import re
import uuid
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from pipeline.errors import StorageError

_MARK = ".writing-"
_MAX_BYTES = 200
"""Bytes of a name that its temporary name has: file systems allow 255 in total."""

_UNFINISHED = re.compile(rf"((?:.*/)?){re.escape(_MARK)}(.+)-[0-9a-f]{{1,8}}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder."""

    path: str
    kind: Literal["file", "folder", "link", "other"]
    size: int = 0
    target: str = ""

    def __str__(self) -> str:
        if self.kind == "link":
            return f"{self.path} (a link to {self.target})"
        return f"{self.path}/" if self.kind == "folder" else self.path


def refuse_unwritable(text: str, what: str) -> None:
    """Refuse a name that no file can have."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StorageError(f"{what} {text!r} cannot be used: it must be text that can be written as UTF-8.") from None
    if "\0" in text:
        raise StorageError(f"{what} {text!r} cannot be used: it must not contain a NUL character.")


def steps(path: str, where: str) -> tuple[str, ...]:
    """The parts of a path within a folder, out of which it must not lead."""
    refuse_unwritable(path, "The path")
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        raise StorageError(f"The path {path!r} leads out of the storage {where}.")
    return parts


def temporary(path: str) -> str:
    """A path that no other writer has, in the same folder, for a file that gets its own name when it is complete."""
    kept = PurePosixPath(path).name.encode()[:_MAX_BYTES].decode(errors="ignore")
    return str(PurePosixPath(path).with_name(f"{_MARK}{kept}-{uuid.uuid4().hex[:8]}"))


def unfinished(path: str) -> str | None:
    """The final path for a temporary one that a killed writer has left; None for any other path."""
    match = _UNFINISHED.fullmatch(path)
    return match[1] + match[2] if match else None
