"""Temporary folders that do not pile up: what a killed process has left is removed by the next one on its machine."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["scratch"]

_PREFIX = "tunepipe-"


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A folder of this process's own, gone at the end.

    Its name says whose it is: `tunepipe-PURPOSE-HOST-PID-…`.

    Args:
        purpose: What it is for: a word.
    """
    of_this_machine = f"{_PREFIX}{purpose}-{_host()}-"
    for left in Path(tempfile.gettempdir()).glob(f"{of_this_machine}*"):
        if _abandoned(left, of_this_machine):
            shutil.rmtree(left, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{of_this_machine}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _host() -> str:
    """Containers may share a temporary folder, but not their processes: each has a name of its own."""
    return re.sub(r"[^\w.-]", "_", platform.node())


def _abandoned(folder: Path, prefix: str) -> bool:
    pid = folder.name.removeprefix(prefix).partition("-")[0]
    if not pid.isdecimal() or folder.is_symlink():
        return False
    try:
        # Somebody else's folder is theirs to remove, whether or not this process could.
        if folder.stat().st_uid != os.geteuid():
            return False
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
