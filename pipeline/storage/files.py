"""How files are listed, written and deleted on this machine's file system and in an object store.

Locally a file is written under a temporary name, synced, and renamed; no link is followed out of the folder. In an
object store a file shows when its upload is complete, so that no temporary names are needed. Errors are those of the
operating system and of pyarrow; `pipeline.storage.Store` translates them.
"""

import ctypes
import errno
import os
import re
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from pyarrow import fs

from pipeline.errors import StorageError

_MARK = ".writing-"
_MAX_BYTES = 237
"""Bytes of a name that its temporary name has: file systems allow 255 in total, and 18 are added."""

_UNFINISHED = re.compile(rf"((?:.*/)?){re.escape(_MARK)}(.+)-[0-9a-f]{{1,8}}", re.DOTALL)

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""Errors of file systems without hard links: SMB, buckets mounted as folders, FAT."""

_DEFAULTS = (
    # Without it each file is an upload in parts, of three requests.
    ("s3", "allow_delayed_open", "true"),
    # Google's client tries for 15 minutes to reach a server that does not answer.
    ("gc?s", "retry_limit_seconds", "10"),
)
"""Schemes of URIs, and options that pyarrow gets unless a URI names them."""


Kind: TypeAlias = Literal["file", "folder", "link", "other"]

_KINDS: dict[Kind, Callable[[int], bool]] = {"link": stat.S_ISLNK, "file": stat.S_ISREG, "folder": stat.S_ISDIR}


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder."""

    path: str
    kind: Kind
    size: int

    def __str__(self) -> str:
        return self.path + {"link": " (a link)", "folder": "/"}.get(self.kind, "")


def unfinished(path: str) -> str | None:
    """The final path for a temporary one that a killed writer has left; None for any other path."""
    return match[1] + match[2] if (match := _UNFINISHED.fullmatch(path)) else None


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    for scheme, option, value in _DEFAULTS:
        if re.match(f"{scheme}://", uri, re.IGNORECASE) and f"{option}=" not in uri:
            uri += f"{'&' if '?' in uri else '?'}{option}={value}"
    parsed: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(uri)
    return parsed


# This machine's file system


def refuse_links_out(root: Path, target: Path) -> None:
    """Make sure that no link leads from a path out of the folder, which may itself be a link."""
    real = Path(os.path.realpath(target))
    if target != root and not real.is_relative_to(os.path.realpath(root)):
        raise StorageError(
            f"The path {str(target.relative_to(root))!r} leads out of the storage {root}, by a link to {real}. Copy "
            "the link's target into its place."
        )


def refuse_links(root: Path, target: Path) -> None:
    """Make sure that neither a path nor a folder above it is a link: it will be written or deleted."""
    place = str(root)
    for step in target.relative_to(root).parts:
        place = os.path.join(place, step)  # noqa: PTH118  A study deletes many thousands of files.
        if os.path.islink(place):  # noqa: PTH114
            raise StorageError(
                f"{str(target.relative_to(root))!r} in {root} can be neither written nor deleted: {place} is a link to "
                f"{Path(place).readlink()}, and no link within a study is followed. Replace the link by its target, "
                "or remove it."
            )


def local_entries(root: Path, folder: Path) -> Iterator[Entry]:
    """Everything below a folder: links, empty folders and temporary names too."""
    for parent, below, names in os.walk(folder, onerror=_fail):
        for name in (*below, *names):
            path = Path(parent, name)
            # A file may disappear while its folder is listed.
            with suppress(FileNotFoundError):
                status = path.lstat()
                kind: Kind = next((kind for kind, is_one in _KINDS.items() if is_one(status.st_mode)), "other")
                yield Entry(path.relative_to(root).as_posix(), kind, status.st_size if kind == "file" else 0)


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def write_local(
    target: Path, pieces: Iterable[bytes | memoryview], place: Callable[[Path, Path], object] = Path.replace
) -> int:
    """Write a whole file under a temporary name, sync it, and give it its name by `place`; returns its size."""
    kept, size = target.name.encode()[:_MAX_BYTES].decode(errors="ignore"), 0
    written = target.with_name(f"{_MARK}{kept}-{uuid.uuid4().hex[:8]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with written.open("wb") as file:
            for piece in pieces:
                size += len(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        place(written, target)
    finally:
        written.unlink(missing_ok=True)
    return size


def link_new(written: Path, target: Path) -> None:
    """Give a file its name, unless the name is taken."""
    try:
        # Unlike a rename, a link fails if the name is taken.
        os.link(written, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # For a moment the file is there and empty.
        target.touch(exist_ok=False)
        written.replace(target)


def delete_empty_folders(root: Path) -> None:
    below = sorted((root / entry.path for entry in local_entries(root, root) if entry.kind == "folder"), reverse=True)
    for folder in (*below, *([] if root.is_symlink() else [root])):
        try:
            with suppress(FileNotFoundError):
                folder.rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


# An object store, through a file system of pyarrow's. A small file is written by one request and read by two: its size,
# then its content. A file is deleted by three, since pyarrow looks for it first, and writes a marker for the folder
# that it may have emptied.


def object_entries(system: fs.FileSystem, root: str, folder: str, *, recursive: bool = True) -> Sequence[Entry]:
    if system.type_name == "abfs":
        # Without valid credentials, Azure's client ends this process while it lists; here it reports an error.
        system.get_file_info(folder)
    infos = system.get_file_info(fs.FileSelector(folder, recursive=recursive, allow_not_found=True))
    return [
        Entry(
            str(PurePosixPath(info.path).relative_to(root)),
            "file" if info.type == fs.FileType.File else "folder",
            int(info.size or 0),
        )
        for info in infos
    ]


def upload(system: fs.FileSystem, path: str, pieces: Iterable[bytes | memoryview]) -> int:
    size, stream = 0, system.open_output_stream(path)
    try:
        for piece in pieces:
            size += len(piece)
            stream.write(piece)
        stream.close()
    except BaseException:
        # The earlier file stays: an upload is completed when its stream is closed or freed, even at the process' end.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))
        raise
    return size
