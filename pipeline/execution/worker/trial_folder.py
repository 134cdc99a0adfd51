"""A trial's working folder: inside the study's folder on a file system, else a copy that is uploaded to its storage.

Files that the user's callbacks and functions write there belong to the study: the worker that resumes the trial finds
them, and files that exceed the job's limit are deleted.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from pipeline.errors import StorageError
from pipeline.storage import Store
from pipeline.storage.local_files import files_below
from pipeline.storage.scratch import scratch
from pipeline.study import layout
from pipeline.wording import size

_PIECE = 2**20


class TrialFolder:
    """The working folder of one trial on this machine."""

    def __init__(
        self,
        store: Store,
        trial_id: str,
        *,
        most: float,
        kept: bool = True,
        new: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._store, self._trial_id, self._most, self._check = store, trial_id, most, check
        self._open = ExitStack()
        self._seen: dict[str, tuple[int, int]] = {}
        within = store.writable_path(layout.files(trial_id)) if kept else None
        self._copied = kept and within is None
        with self._local_errors("create the working folder"):
            if within is None:
                self.folder = self._open.enter_context(scratch("trial"))
            else:
                within.mkdir(parents=True, exist_ok=True)
                self.folder = within
        if self._copied and not new:
            with self._open as opened, self._local_errors("download the files"):
                self._fetch()
                self._open = opened.pop_all()

    def clear(self) -> None:
        """Empty the folder, because the trial starts from the beginning."""
        paths = list(self.folder.iterdir())
        if paths:
            self._check()
        with self._local_errors("delete files"):
            for path in paths:
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
        self._store.delete(layout.dropped_files_list(self._trial_id))
        self.keep()

    def keep(self, *, all_here: bool = False) -> None:
        """Delete files that exceed the limit, and upload changed files where the folder is a copy."""
        excess = self._excess()
        kept_back = {path.relative_to(self.folder).as_posix() for path in excess} if all_here else set()
        if excess and not all_here:
            self._drop(excess)
        if not self._copied:
            return
        current: dict[str, tuple[int, int]] = {}
        for path, count in files_below(self.folder):
            with suppress(FileNotFoundError):
                current[path.relative_to(self.folder).as_posix()] = (count, path.stat().st_mtime_ns)
        changed = [name for name, state in current.items() if self._seen.get(name) != state and name not in kept_back]
        for name in changed:
            self._check()
            with suppress(FileNotFoundError):
                self._store.write(self._stored(name), _pieces(self.folder / name))
        for name in self._seen.keys() - current.keys():
            self._check()
            self._store.delete(self._stored(name))
        uploaded_before = {name: self._seen[name] for name in kept_back & self._seen.keys()}
        self._seen = {name: state for name, state in current.items() if name not in kept_back} | uploaded_before

    def close(self) -> None:
        """Close the folder: the trial is over, or moves to another worker. An empty folder is deleted."""
        try:
            self.keep()
            if not self._copied:
                self._prune()
        finally:
            self._open.close()

    def create_again(self) -> None:
        """Create the folder again if it was deleted meanwhile, with the folders above it."""
        with self._local_errors("create the working folder"):
            self.folder.mkdir(parents=True, exist_ok=True)

    @contextmanager
    def _local_errors(self, action: str) -> Iterator[None]:
        """Errors of this machine's files as errors of the storage: they are not failures of the user's code."""
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"Cannot {action} of trial {self._trial_id} in {self._store.uri}: {error.strerror}. Fix that, then "
                "resume with `tunepipe resume`."
            ) from error

    def _stored(self, name: str) -> str:
        return f"{layout.files(self._trial_id)}/{name}"

    def _fetch(self) -> None:
        for stored in self._store.files(layout.files(self._trial_id)):
            trial_and_path = layout.file_of(stored)
            if trial_and_path is None or trial_and_path[0] != self._trial_id:
                continue
            path = self.folder / trial_and_path[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                path.write_bytes(self._store.read(stored))
                self._seen[trial_and_path[1]] = (path.stat().st_size, path.stat().st_mtime_ns)

    def _excess(self) -> dict[Path, int]:
        """The files that exceed the limit, with their bytes, in the order in which they are deleted."""
        files = []
        for path, count in files_below(self.folder):
            with suppress(FileNotFoundError):
                files.append((path.stat().st_mtime_ns, path, count))
        total = sum(count for *_, count in files)
        # A file that exceeds the limit by itself is deleted first: deleting others would not be enough.
        oldest_first = sorted(files, key=lambda file: (file[2] <= self._most, file[:2]))
        excess = {}
        for _, path, count in oldest_first:
            if total <= self._most:
                break
            excess[path] = count
            total -= count
        return excess

    def _drop(self, excess: dict[Path, int]) -> None:
        self._check()
        for path in excess:
            with self._local_errors("delete files"):
                path.unlink(missing_ok=True)
        self._record([{"path": path.relative_to(self.folder).as_posix(), "bytes": excess[path]} for path in excess])

    def _record(self, dropped: list[dict[str, object]]) -> None:
        listed = ", ".join(f"{file['path']} ({file['bytes']:,} bytes)" for file in dropped)
        print(
            f"tunepipe: The trial's files exceed resources.files_gigabytes ({size(self._most)}). Deleted: "
            f"{listed}. Raise the limit with --set resources.files_gigabytes=X, or write fewer."
        )
        record = layout.dropped_files_list(self._trial_id)
        before = []
        with suppress(FileNotFoundError, StorageError):
            before = self._store.read_json(record)
        self._check()
        self._store.write(record, json.dumps([*before, *dropped], indent=2))

    def _prune(self) -> None:
        """Delete empty folders within the folder, then the folder and the one above it, if they are empty."""
        # The driver that has taken the study over may be training the trial in the empty folder.
        self._check()
        inner = [Path(path) for path, _, _ in os.walk(self.folder, topdown=False)]
        for folder in (*inner, self.folder.parent):
            with suppress(OSError):
                folder.rmdir()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            yield piece
