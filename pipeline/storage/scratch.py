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
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

_open: "set[SharedFolder]" = set()


class SharedFolder:
    """A temporary folder of all processes of this machine with the same key, made at its first use.

    The last process that closes it removes it.
    """

    def __init__(self, key: Callable[[], str]) -> None:
        self._key, self._held = key, ExitStack()
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        if self._path is None:
            name = hashlib.sha256(self._key().encode()).hexdigest()[:16]
            self._path = self._held.enter_context(_held(f"{_prefix('shared')}{name}"))
            atexit.register(close_shared_folders)
            _open.add(self)
        return self._path

    def close(self) -> None:
        self._held.close()
        self._path = None
        _open.discard(self)


def scratch(purpose: str) -> AbstractContextManager[Path]:
    """A temporary folder of this process, removed at the end."""
    return _held(f"{_prefix(purpose)}{uuid.uuid4().hex[:16]}")


@contextmanager
def _held(name: str) -> Iterator[Path]:
    """A folder that this process uses; removed at the end unless another process uses it."""
    remove_unused()
    folder = shared_root() / name
    lock = _locked(folder)
    try:
        yield folder
    finally:
        os.close(lock)
        _remove_if_unused(folder)


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
    # Containers may share a temporary folder, and not the kernel's locks. A dash would end the purpose in a pattern.
    host = re.sub(r"[^\w.]", "_", platform.node())
    return f"tunepipe-{purpose}-{host}-{os.geteuid()}-"


def _locked(folder: Path) -> int:
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
