"""Temporary folders that do not accumulate: each process removes those that no process of its machine uses any more.

A process that uses a folder has locked it, and the kernel unlocks it whatever ends the process.
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

_open: "set[SharedFolder]" = set()


class SharedFolder:
    """A temporary folder of all processes of this machine with the same key, made at its first use.

    The last process that closes it removes it.
    """

    def __init__(self, key: Callable[[], str]) -> None:
        self._key = key
        self._held: tuple[Path, int] | None = None

    @property
    def path(self) -> Path:
        """The folder, which exists until it is closed."""
        if self._held is None:
            remove_unused()
            name = hashlib.sha256(self._key().encode()).hexdigest()[:16]
            folder = shared_root() / f"{_prefix('shared')}{name}"
            self._held = folder, _locked(folder)
            atexit.register(close_shared_folders)
            _open.add(self)
        return self._held[0]

    def close(self) -> None:
        """Leave the folder, and remove it if no other process uses it."""
        if self._held is not None:
            folder, lock = self._held
            os.close(lock)
            _remove_if_unused(folder)
            self._held = None


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A temporary folder of this process, removed at the end."""
    remove_unused()
    folder = Path(tempfile.mkdtemp(prefix=_prefix(purpose)))
    lock = _locked(folder)
    try:
        yield folder
    finally:
        os.close(lock)
        shutil.rmtree(folder, ignore_errors=True)


def shared_root() -> Path:
    return Path(tempfile.gettempdir())


def close_shared_folders() -> None:
    while _open:
        _open.pop().close()
    remove_unused()


def remove_unused() -> None:
    """Remove the folders of this user on this machine that no process uses, such as those of killed processes."""
    for found in shared_root().glob(f"{_prefix('*')}*"):
        _remove_if_unused(found)


def _prefix(purpose: str) -> str:
    # Containers may share a temporary folder, and not the kernel's locks.
    host = re.sub(r"[^\w.-]", "_", platform.node())
    return f"tunepipe-{purpose}-{host}-{os.geteuid()}-"


def _locked(folder: Path) -> int:
    """Make a folder, unless it exists, and lock it."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Another process may remove it at any moment before it is locked.
        with suppress(FileNotFoundError):
            lock = _descriptor(folder)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if _is_there(lock, folder):
                return lock
            os.close(lock)


def _descriptor(folder: Path) -> int:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if os.fstat(opened).st_uid != os.geteuid():
        os.close(opened)
        raise PermissionError(f"{folder} belongs to another user")
    return opened


def _is_there(lock: int, folder: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(lock), folder.stat())
    return False


def _remove_if_unused(folder: Path) -> None:
    # It may be in use, or be gone.
    with suppress(OSError):
        lock = _descriptor(folder)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(lock, folder):
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(lock)
