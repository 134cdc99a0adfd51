"""Names of files that are being written: what a killed writer leaves under one differs from a complete file."""

import re
import uuid

_MARK = ".writing-"
_MAX_BYTES = 200
"""Bytes of a name that its temporary name has: file systems allow 255 in total."""

_UNFINISHED = re.compile(rf"((?:.*/)?){re.escape(_MARK)}(.+)-[0-9a-f]{{1,8}}", re.DOTALL)


def temporary_name(name: str) -> str:
    """A name that no other writer has, for a file that gets its own name when it is complete."""
    kept = name.encode()[:_MAX_BYTES].decode(errors="ignore")
    return f"{_MARK}{kept}-{uuid.uuid4().hex[:8]}"


def unfinished(path: str) -> str | None:
    """The final name for a temporary name that a killed writer has left; None for any other name."""
    match = _UNFINISHED.fullmatch(path)
    return match[1] + match[2] if match else None
