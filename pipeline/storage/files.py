"""Files below a folder of this machine's file system, or below a name in an object store, with few requests.

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
from typing import BinaryIO, Literal

from pyarrow import fs

from pipeline.errors import StorageError

_MARK = ".writing-"
_MAX_BYTES = 200
"""Bytes of a name that its temporary name has: file systems allow 255 in total."""

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
    if "\0" in text or text != text.encode(errors="replace").decode():
        raise StorageError(f"{what} {text!r} cannot be used: it must be UTF-8 text without a NUL character.")


def unfinished(path: str) -> str | None:
    """The final path for a temporary one that a killed writer has left; None for any other path."""
    match = _UNFINISHED.fullmatch(path)
    return match[1] + match[2] if match else None


def _temporary(path: Path) -> Path:
    kept = path.name.encode()[:_MAX_BYTES].decode(errors="ignore")
    return path.with_name(f"{_MARK}{kept}-{uuid.uuid4().hex[:8]}")


def _steps(path: str, where: str) -> tuple[str, ...]:
    """The parts of a path within a folder, out of which it must not lead."""
    refuse_unwritable(path, "The path")
    parts = PurePosixPath(path).parts
    if ".." in parts or PurePosixPath(path).is_absolute():
        raise StorageError(f"The path {path!r} leads out of the storage {where}.")
    return parts


class LocalFiles:
    """Files below a folder of this machine."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, path: str, *, itself: bool = True) -> Path:
        """The path on the file system for reading: no link leads out. The folder itself may be a link."""
        target = self.root.joinpath(*_steps(path, str(self.root)))
        real = target if target == self.root else Path(os.path.realpath(target if itself else target.parent))
        if target != self.root and not real.is_relative_to(os.path.realpath(self.root)):
            raise StorageError(
                f"The path {str(target.relative_to(self.root))!r} leads out of the storage {self.root}, by a link to "
                f"{real}. Copy the link's target into its place."
            )
        return target

    def writable(self, path: str) -> Path:
        """The path on the file system for writing or deleting: neither it nor a folder above it is a link."""
        place, target = str(self.root), self.root.joinpath(*_steps(path, str(self.root)))
        for step in target.relative_to(self.root).parts:
            place = os.path.join(place, step)  # noqa: PTH118  A study deletes many thousands of files.
            if os.path.islink(place):  # noqa: PTH114
                raise StorageError(
                    f"{path!r} in {self.root} can be neither written nor deleted: {place} is a link to "
                    f"{Path(place).readlink()}, and no link within a study is followed. Replace the link by its "
                    "target, or remove it."
                )
        return target

    def exists(self, path: str) -> bool:
        return self.path(path).exists()

    def entries(self, folder: str) -> Iterator[Entry]:
        """Everything below a folder: links, empty folders and temporary names too."""
        for path, status in _walk(self.path(folder)):
            name = path.relative_to(self.root).as_posix()
            if stat.S_ISLNK(status.st_mode):
                with suppress(FileNotFoundError):
                    yield Entry(name, "link", target=os.fspath(path.readlink()))
            elif stat.S_ISREG(status.st_mode):
                yield Entry(name, "file", status.st_size)
            else:
                yield Entry(name, "folder" if stat.S_ISDIR(status.st_mode) else "other")

    def folders(self) -> Sequence[str]:
        """Names of the folders directly below; links to folders are among them."""
        # Path.is_dir raises at a link whose target cannot be read.
        return [path.name for path in self.root.iterdir() if os.path.isdir(path)] if self.root.exists() else []  # noqa: PTH112

    def open(self, path: str) -> BinaryIO:
        target = self.path(path)
        # Reading from a pipe would never return.
        if target.exists() and not target.is_file():
            raise StorageError(f"{path} in {self.root} is not a file. Restore the file that tunepipe wrote.")
        return target.open("rb")

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int:
        return self._write(path, pieces, Path.replace)

    def create(self, path: str, content: bytes) -> bool:
        try:
            self._write(path, [content], _link)
        except FileExistsError:
            # A folder above may also be a file.
            if not self.exists(path):
                raise
            return False
        return True

    def append(self, path: str, content: bytes) -> None:
        target = self.writable(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("ab") as file:
            file.write(content)

    def delete(self, path: str) -> None:
        self.writable(path).unlink(missing_ok=True)

    def delete_empty_folders(self) -> None:
        below = sorted((entry.path for entry in self.entries("") if entry.kind == "folder"), reverse=True)
        for folder in (*below, *([] if self.root.is_symlink() else [""])):
            try:
                with suppress(FileNotFoundError):
                    (self.root / folder).rmdir()
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise

    def _write(self, path: str, pieces: Iterable[bytes | memoryview], place: Callable[[Path, Path], object]) -> int:
        target, size = self.writable(path), 0
        target.parent.mkdir(parents=True, exist_ok=True)
        written = _temporary(target)
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


def _link(written: Path, target: Path) -> None:
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


def files_below(folder: Path) -> Iterator[tuple[Path, int]]:
    """Every plain file below a folder, with its size in bytes; links are neither followed nor listed."""
    return ((path, status.st_size) for path, status in _walk(folder) if stat.S_ISREG(status.st_mode))


def _walk(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for parent, below, names in os.walk(folder, onerror=_fail):
        for name in (*below, *names):
            path = Path(parent, name)
            # A file may disappear while its folder is listed.
            with suppress(FileNotFoundError):
                yield path, path.lstat()


def _fail(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    parsed: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(with_defaults(uri))
    return parsed


def with_defaults(uri: str) -> str:
    """A URI with the options that it does not name and that tunepipe uses."""
    for scheme, option, value in _DEFAULTS:
        if re.match(f"{scheme}://", uri, re.IGNORECASE) and f"{option}=" not in uri:
            uri += f"{'&' if '?' in uri else '?'}{option}={value}"
    return uri


class ObjectFiles:
    """Files whose names begin with a path, through a file system of pyarrow's.

    A small file is written by one request and read by two: its size, then its content. A file is deleted by three,
    since pyarrow looks for it first, and writes a marker for the folder that it may have emptied.
    """

    def __init__(self, file_system: fs.FileSystem, root: str) -> None:
        self._fs, self._root = file_system, PurePosixPath(root)

    def path(self, path: str) -> str:
        return str(self._root.joinpath(*_steps(path, str(self._root))))

    def within(self, path: str) -> "ObjectFiles":
        return ObjectFiles(self._fs, self.path(path))

    def exists(self, path: str) -> bool:
        return bool(self._fs.get_file_info(self.path(path)).type != fs.FileType.NotFound)

    def entries(self, folder: str) -> Iterator[Entry]:
        for info in self._listed(self.path(folder), recursive=True):
            name = self._relative(info)
            yield Entry(name, "file", int(info.size)) if info.type == fs.FileType.File else Entry(name, "folder")

    def folders(self) -> Sequence[str]:
        # pyarrow shows no folders of Google's store, and lists all files there in any case.
        infos = self._listed(str(self._root), recursive=self._fs.type_name == "gcs")
        names = {self._relative(info): info.type == fs.FileType.Directory for info in infos}
        return sorted({PurePosixPath(name).parts[0] for name, is_folder in names.items() if is_folder or "/" in name})

    def open(self, path: str) -> BinaryIO:
        # A stream would be read in many small requests.
        file: BinaryIO = self._fs.open_input_file(self.path(path))
        return file

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists.

        If an error cuts the writing off, the earlier file stays: pyarrow completes an upload when its stream is closed
        or freed, even at the end of the process, and cannot abort it. So the stream is never freed.
        """
        size, stream = 0, self._fs.open_output_stream(self.path(path))
        try:
            for piece in pieces:
                size += len(piece)
                stream.write(piece)
            stream.close()
        except BaseException:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))
            raise
        return size

    def create(self, path: str, content: bytes) -> bool:
        """Write a whole file, unless the file exists; pyarrow has no request that does both.

        Of two simultaneous writers the last one's file stays. A driver's lease therefore carries a mark, which it finds
        replaced before it writes anything else.
        """
        if self.exists(path):
            return False
        self.write(path, [content])
        return True

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, which is created if it does not exist; the whole file is written again."""
        before = b""
        with suppress(FileNotFoundError), self.open(path) as file:
            before = file.read()
        self.write(path, [before, content])

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.delete_file(self.path(path))

    def delete_empty_folders(self) -> None:
        """Delete the folders where no file is left: their names, which files had in common, or markers."""
        if not any(entry.kind == "file" for entry in self.entries("")) and self.exists(""):
            self._fs.delete_dir(str(self._root))

    def _listed(self, folder: str, *, recursive: bool) -> Sequence[fs.FileInfo]:
        if self._fs.type_name == "abfs":
            # Without valid credentials, Azure's client ends this process while it lists; here it reports an error.
            self._fs.get_file_info(folder)
        entries: Sequence[fs.FileInfo] = self._fs.get_file_info(
            fs.FileSelector(folder, recursive=recursive, allow_not_found=True)
        )
        return entries

    def _relative(self, info: fs.FileInfo) -> str:
        return str(PurePosixPath(info.path).relative_to(self._root))
