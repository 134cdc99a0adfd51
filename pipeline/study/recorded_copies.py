"""What study.json says about a study's copies of its sources: modules, paths and digests."""

import hashlib
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import StorageError


def digest_of(content: bytes | None) -> str | None:
    """The SHA-256 of a source; None if there is none."""
    return None if content is None else hashlib.sha256(content).hexdigest()


class RecordedCopies:
    """What study.json says about the copies: the modules, their paths and their digests; other files' digests; and the
    arguments of the script that started the study.
    """

    def __init__(self, value: Any = None) -> None:
        self.modules: dict[str, tuple[str, str]] = {}
        self.folders: tuple[str, ...] = ()
        self.files: dict[str, str] = {}
        self.arguments: tuple[str, ...] | None = None
        """None if no script has recorded them."""
        if value is None:
            return
        try:
            self.folders = tuple(value["folders"])
            self.modules = {name: (entry["path"], entry["sha256"]) for name, entry in value["modules"].items()}
            self.files = dict(value.get("files", {}))
            self.arguments = tuple(value["arguments"]) if "arguments" in value else None
            paths = [path for path, _ in self.modules.values()]
            texts = [*self.folders, *self.modules, *(text for pair in self.modules.values() for text in pair)]
            texts += [*self.files, *self.files.values(), *(self.arguments or ())]
            sound = all(isinstance(text, str) and "\0" not in text for text in texts)
            sound = (
                sound and all(path.endswith(".py") for path in paths) and all(map(_is_within, [*paths, *self.files]))
            )
        except (AttributeError, LookupError, TypeError, ValueError):
            sound = False
        if not sound:
            raise StorageError(
                "The entry `sources` of study.json, about the copies in source/, is not what tunepipe wrote. Restore "
                "the file."
            )

    def to_json(self) -> dict[str, Any]:
        """The value of `sources` in study.json."""
        modules = {name: {"path": path, "sha256": digest} for name, (path, digest) in sorted(self.modules.items())}
        content = {"folders": list(self.folders), "modules": modules, "files": dict(sorted(self.files.items()))}
        return content if self.arguments is None else {**content, "arguments": list(self.arguments)}


def _is_within(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and not path.startswith("/") and ".." not in parts
