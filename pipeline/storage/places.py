"""Where a path within a folder leads: never out of it, not by its own steps, and not by a link that lies in it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pipeline.errors import StorageError

__all__ = ["files_below", "refuse_links_out", "refuse_unwritable", "steps"]


def refuse_unwritable(text: str, what: str) -> None:
    """Refuse what no file can be called.

    Args:
        text: A path or a URI.
        what: What it is, for the message.

    Raises:
        StorageError: It holds a NUL character, or is no text that can be written as UTF-8.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise StorageError(f"{what} {text!r} cannot be used: it must be text that can be written as UTF-8.") from None
    if "\0" in text:
        raise StorageError(f"{what} {text!r} cannot be used: it must not hold a NUL character.")


def steps(path: str, where: str) -> tuple[str, ...]:
    """The parts of a path within a folder.

    Args:
        path: The path, relative to the folder.
        where: The folder, for the message.

    Raises:
        StorageError: It leads out of the folder, or nothing can be called so.
    """
    refuse_unwritable(path, "The path")
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        raise StorageError(f"The path {path!r} leads out of the storage {where}.")
    return parts


def refuse_links_out(root: Path, target: Path, *, itself: bool) -> None:
    """Refuse a place that a link within a folder takes out of it. The folder may itself be a link.

    Args:
        root: The folder.
        target: The place, below it by its name.
        itself: Whether the place's own link is followed: to read, but not to replace or to delete.

    Raises:
        StorageError: It lies elsewhere.
    """
    if target == root:
        return
    real = Path(os.path.realpath(target if itself else target.parent))
    if not real.is_relative_to(os.path.realpath(root)):
        raise StorageError(
            f"The path {str(target.relative_to(root))!r} leads out of the storage {root}, by a link to {real}. "
            "Copy what is there into its place."
        )


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every file in a folder and its folders, with its size in bytes; links and what is no plain file are passed over.

    Raises:
        OSError: The folder cannot be listed. One that is not there holds nothing.
    """

    def fail(error: OSError) -> None:
        # What goes while it is listed is gone; all else is told.
        if not isinstance(error, FileNotFoundError):
            raise error

    for place, _, names in os.walk(folder, onerror=fail):
        for name in names:
            path = Path(place, name)
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status.st_size
