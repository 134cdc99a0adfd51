"""Where a trial's output goes: its working folder, and its log.

The folder is inside the study's folder on a file system, else a copy that is uploaded to the storage. Files that the
user's callbacks and functions write there belong to the study: the worker that resumes the trial finds them.
"""

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from tempfile import TemporaryFile

from pipeline.errors import StorageError
from pipeline.storage import Store, layout
from pipeline.storage.files import local_entries
from pipeline.storage.scratch import scratch

_PIECE = 2**20
_STDOUT, _STDERR = 1, 2


class TrialFolder:
    """The working folder of one trial on this machine.

    `check` raises if the study is no longer this session's; it is called before anything is changed.
    """

    def __init__(
        self,
        store: Store,
        trial_id: str,
        *,
        new: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._trial_id, self._check = store, trial_id, check
        self._stored: dict[str, tuple[int, int]] = {}
        """Files that the storage has: their size and their time here."""
        within = store.writable_path(layout.files(trial_id))
        self._copied = within is None
        with ExitStack() as opened:
            with self._local_errors():
                self.folder = within or opened.enter_context(scratch("trial"))
                self.folder.mkdir(parents=True, exist_ok=True)
                if self._copied and not new:
                    self._download()
            self._open = opened.pop_all()

    def clear(self) -> None:
        """Empty the folder, because the trial starts from the beginning."""
        if paths := list(self.folder.iterdir()):
            self._check()
        with self._local_errors():
            for path in paths:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        self.keep()

    def keep(self) -> None:
        """Upload changed files where the folder is a copy."""
        if not self._copied:
            return
        here = dict[str, tuple[int, int]]()
        for entry in local_entries(self.folder, self.folder):
            with suppress(FileNotFoundError):
                if entry.kind == "file" and layout.names(f"{layout.files(self._trial_id)}/{entry.path}"):
                    here[entry.path] = (entry.size, (self.folder / entry.path).stat().st_mtime_ns)
        for name in [name for name, state in here.items() if self._stored.get(name) != state]:
            self._check()
            with suppress(FileNotFoundError), (self.folder / name).open("rb") as file:
                self._store.write(f"{layout.files(self._trial_id)}/{name}", iter(partial(file.read, _PIECE), b""))
        for name in self._stored.keys() - here.keys():
            self._check()
            self._store.delete(f"{layout.files(self._trial_id)}/{name}")
        self._stored = here

    def close(self) -> None:
        """Close the folder: the trial has ended, or moves to another worker, which may be in it already."""
        with self._open:
            self.keep()

    @contextmanager
    def _local_errors(self) -> Iterator[None]:
        """Errors of this machine's files as errors of the storage: they are not failures of the user's code."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"The working folder of trial {self._trial_id} in {self._store.uri} cannot be used: {error}. Fix that, "
                "then resume with `tunepipe resume`."
            ) from error

    def _download(self) -> None:
        prefix = f"{layout.files(self._trial_id)}/"
        for stored in self._store.files(layout.files(self._trial_id)):
            path = self.folder / stored.removeprefix(prefix)
            if layout.file_of(stored) is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                with suppress(FileNotFoundError):
                    path.write_bytes(self._store.read(stored))
                    self._stored[stored.removeprefix(prefix)] = (path.stat().st_size, path.stat().st_mtime_ns)


def _flush_output() -> None:
    """Write what is buffered. It is lost where the disk is full, or if a trial has closed the stream."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


@contextmanager
def captured(store: Store, path: str) -> Iterator[None]:
    """Append what this process writes to stdout and stderr to a file of the store, the output of C++ libraries, too."""
    _flush_output()
    originals = os.dup(_STDOUT), os.dup(_STDERR)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), _STDOUT)
        os.dup2(spool.fileno(), _STDERR)
        try:
            yield
        finally:
            _flush_output()
            for descriptor, standard in zip(originals, (_STDOUT, _STDERR), strict=True):
                os.dup2(descriptor, standard)
                os.close(descriptor)
            spool.seek(0)
            if output := spool.read():
                # A trial does not fail because of its log: a broken storage is reported where results would be lost.
                with suppress(StorageError):
                    store.append(path, output)
