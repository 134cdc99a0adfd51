"""Files in an object store, through a file system of pyarrow's, with few requests.

A file shows when its upload is complete, so that no temporary names are needed. pyarrow completes an upload when its
stream is closed or freed, and cannot abort it: the stream of an upload that an error cuts off is never freed. A small
file is written by one request and read by two: its size, then its content. A file is deleted by three, since pyarrow
looks for it first, and writes a marker for the folder that it may have emptied.
"""

import ctypes
import itertools
import random
import re
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import PurePosixPath
from typing import BinaryIO

from pyarrow import fs

from pipeline.storage.paths import Entry, steps, temporary, unfinished

_DEFAULTS = (
    # Without it each file is an upload in parts, of three requests.
    ("s3", "allow_delayed_open", "true"),
    # Google's client tries for 15 minutes to reach a server that does not answer.
    ("gc?s", "retry_limit_seconds", "10"),
)
"""Schemes of URIs, and options that pyarrow gets unless a URI names them."""

_CLAIM_SECONDS = 10.0
"""How long another writer's claim counts: a writer needs it for a few requests, and a killed one leaves it."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_RANDOM = random.SystemRandom()
"""Not the generator of the user's code, which may have the same seed in both processes."""

_COLLECTED = 8 * 2**20
"""Bytes of a file that are there before its upload begins: an error among them needs no upload to be given up."""


def file_system(uri: str) -> tuple[fs.FileSystem, str]:
    """The file system of a URI, and the path within it."""
    parsed: tuple[fs.FileSystem, str] = fs.FileSystem.from_uri(with_defaults(uri))
    return parsed


def with_defaults(uri: str) -> str:
    """A URI with the options that it does not name and that tunepipe uses."""
    for scheme, option, value in _DEFAULTS:
        if re.match(f"{scheme}://", uri, re.IGNORECASE) and f"{option}=" not in uri:
            uri += f"{'&' if '?' in uri else '?'}{option}={value}"
    return uri


class ObjectFiles:
    """Files whose names begin with a path. Errors are those of pyarrow, which are the operating system's."""

    def __init__(self, file_system: fs.FileSystem, root: str) -> None:
        self._fs, self._root = file_system, PurePosixPath(root)

    def path(self, path: str) -> str:
        """The path within the file system."""
        return str(self._root.joinpath(*steps(path, str(self._root))))

    def within(self, path: str) -> "ObjectFiles":
        """The files below a folder, through the same client."""
        return ObjectFiles(self._fs, self.path(path))

    def exists(self, path: str) -> bool:
        return bool(self._fs.get_file_info(self.path(path)).type != fs.FileType.NotFound)

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None if there is a folder."""
        info = self._fs.get_file_info(self.path(path))
        if info.type == fs.FileType.NotFound:
            raise FileNotFoundError(path)
        return int(info.size) if info.type == fs.FileType.File else None

    def age(self, path: str) -> float:
        """The seconds since a file was written, by the store's clock."""
        while True:
            probe = temporary(path)
            try:
                self.write(probe, [b"now"])
                file, now = self._fs.get_file_info([self.path(path), self.path(probe)])
            finally:
                self.delete(probe)
            if file.mtime_ns is None:
                raise FileNotFoundError(path)
            # The study's driver deletes files of this kind when it begins and when it ends.
            if now.mtime_ns is not None:
                return float(now.mtime_ns - file.mtime_ns) / 1e9

    def sizes(self, folder: str) -> Sequence[tuple[str, int]]:
        """Paths and sizes of all files in a folder and its folders."""
        infos = self._listed(self.path(folder), recursive=True)
        return [(self._relative(info), int(info.size)) for info in infos if info.type == fs.FileType.File]

    def entries(self) -> Sequence[Entry]:
        return [
            Entry(self._relative(info), "file", int(info.size))
            if info.type == fs.FileType.File
            else Entry(self._relative(info), "folder")
            for info in self._listed(str(self._root), recursive=True)
        ]

    def folders(self) -> Sequence[str]:
        """Names of the folders directly below."""
        # pyarrow shows no folders of Google's store, and lists all files there in any case.
        infos = self._listed(str(self._root), recursive=self._fs.type_name == "gcs")
        folders = {
            PurePosixPath(self._relative(info)).parts[0]
            for info in infos
            if info.type == fs.FileType.Directory or "/" in self._relative(info)
        }
        return sorted(folders)

    def read(self, path: str, most: int | None = None) -> bytes:
        # A stream would be read in many small requests.
        with self._fs.open_input_file(self.path(path)) as file:
            return bytes(file.read(most))

    def open(self, path: str) -> BinaryIO:
        file: BinaryIO = self._fs.open_input_file(self.path(path))
        return file

    def write(self, path: str, pieces: Iterable[bytes | memoryview]) -> int:
        """Write a whole file, replacing one that exists.

        If an error cuts the writing off, the earlier file stays. The store may keep uploaded parts, which show nowhere,
        until its own rules remove them, as after a kill.
        """
        size, pieces, target = 0, iter(pieces), self.path(path)
        beginning: list[bytes | memoryview] = []
        for piece in pieces:
            beginning.append(piece)
            size += len(piece)
            if size >= _COLLECTED:
                break
        size, stream = 0, self._fs.open_output_stream(target)
        try:
            for piece in itertools.chain(beginning, pieces):
                size += len(piece)
                stream.write(piece)
            stream.close()
        except BaseException:
            _keep(stream)
            raise
        return size

    def create(self, path: str, content: bytes) -> bool:
        """Write a whole file, unless the file exists; of several simultaneous writers one succeeds.

        pyarrow has no request that writes only what does not exist. Each writer first leaves a claim, a file with a
        name of its own. Who then sees no other claim, and no file, writes the file; who sees another claim withdraws
        its own and tries again. A store lists what is written at once, so of two writers at least one sees the other's
        claim, or its file. Only a writer that is stopped for longer than a claim counts, between its look and its
        writing, may replace a file.
        """
        others: dict[str, float] = {}
        for attempt in itertools.count():
            claim = temporary(path)
            self.write(claim, [b"claim"])
            try:
                now = time.monotonic()
                others = {each: others.get(each, now) for each in self._claims(path) if each != claim}
                alone = all(now - since > _CLAIM_SECONDS for since in others.values())
                # After the claims: a writer withdraws its claim when its file is there.
                if self.exists(path):
                    return False
                if alone:
                    self.write(path, [content])
                    return True
            finally:
                self.delete(claim)
            time.sleep(_RANDOM.uniform(0.0, min(_SHORTEST_PAUSE * 2**attempt, _LONGEST_PAUSE)))
        raise AssertionError("the attempts are not limited")

    def append(self, path: str, content: bytes) -> None:
        """Append to a file, which is created if it does not exist; the whole file is written again."""
        before = b""
        with suppress(FileNotFoundError):
            before = self.read(path)
        self.write(path, [before, content])

    def delete(self, path: str) -> None:
        with suppress(FileNotFoundError):
            self._fs.delete_file(self.path(path))

    def delete_empty_folders(self) -> None:
        """Delete the folders where no file is left: their names, which files had in common, or markers."""
        if not any(entry.kind == "file" for entry in self.entries()) and self.exists(""):
            self._fs.delete_dir(str(self._root))

    def _claims(self, path: str) -> list[str]:
        folder = str(PurePosixPath(path).parent)
        return [found for found, _ in self.sizes("" if folder == "." else folder) if unfinished(found) == path]

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


def _keep(stream: object) -> None:
    """Keep a stream from being freed, even at the end of the process: that would complete its upload."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))
