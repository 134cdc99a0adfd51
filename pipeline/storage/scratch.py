"""Temporary folders that do not accumulate: each process removes those that killed processes of its machine have left.

A scratch folder belongs to one process. A shared one is the same for all processes of this machine with the same key,
and does not outlive them.
"""

import atexit
import fcntl
import hashlib
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = "lock"
"""A file within a shared folder that every process that uses the folder has locked: the kernel unlocks it whatever ends
the process."""

_open: "set[SharedFolder]" = set()


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A temporary folder of this process, `tunepipe-PURPOSE-HOST-PID-…`, removed at the end."""
    prefix = f"tunepipe-{purpose}-{_host()}-"
    for found in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        pid = found.name.removeprefix(prefix).partition("-")[0]
        # A folder of another user is never removed, even if this process may.
        if pid.isdecimal() and _is_own(found) and _has_ended(int(pid)):
            shutil.rmtree(found, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class SharedFolder:
    """A folder below the temporary folder of this machine, the same for all processes with the same key.

    It is created when it is first used. The last process that closes it removes it, and every process that creates one
    removes those that no process uses.
    """

    def __init__(self, key: Callable[[], str]) -> None:
        self._key = key
        self._lock: int | None = None
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """The folder, which exists until it is closed."""
        if self._path is None:
            remove_unused()
            folder = shared_root() / f"{_shared_prefix()}{hashlib.sha256(self._key().encode()).hexdigest()[:16]}"
            self._lock, self._path = _locked(folder), folder
            if not _open:
                atexit.register(close_shared_folders)
            _open.add(self)
        return self._path

    def close(self) -> None:
        """Leave the folder, and remove it if no other process uses it."""
        if self._lock is not None and self._path is not None:
            os.close(self._lock)
            _remove_if_unused(self._path)
            self._lock = self._path = None
            _open.discard(self)


def shared_root() -> Path:
    """The folder of this machine within which shared folders are."""
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError:
        # No temporary folder can be written, as on a full disk: what creates a folder there reports that.
        return Path(os.environ.get("TMPDIR", "/tmp"))


def close_shared_folders() -> None:
    """Close those of this process, and remove those that no process uses."""
    for folder in list(_open):
        folder.close()
    remove_unused()


def remove_unused() -> None:
    """Remove the folders of this user on this machine that no process uses, such as those of killed processes."""
    for found in shared_root().glob(f"{_shared_prefix()}*"):
        _remove_if_unused(found)


def _host() -> str:
    # Containers that share a temporary folder differ in it, but may not in process numbers.
    return re.sub(r"[^\w.-]", "_", platform.node())


def _shared_prefix() -> str:
    return f"tunepipe-shared-{_host()}-{os.geteuid()}-"


def _is_own(folder: Path) -> bool:
    try:
        return not folder.is_symlink() and folder.stat().st_uid == os.geteuid()
    except OSError:
        return False


def _has_ended(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _locked(folder: Path) -> int:
    """Create a folder, and lock it for use."""
    while True:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        # The last process that uses the folder may remove it at any moment before it is locked.
        with suppress(FileNotFoundError):
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                raise PermissionError(f"{folder} belongs to another user")
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_there(lock, folder):
                return lock
            # Another process has removed the folder meanwhile.
            os.close(lock)


def _is_there(lock: int, folder: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock), (folder / _LOCK).stat())
    except FileNotFoundError:
        return False


def _remove_if_unused(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW) if _is_own(folder) else None
    except OSError:
        return
    if lock is None:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_there(lock, folder):
            shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        # In use.
        return
    finally:
        os.close(lock)
