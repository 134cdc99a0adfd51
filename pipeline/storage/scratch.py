"""Temporary folders that do not accumulate: a process removes those of killed processes of its machine."""

import os
import platform
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PREFIX = "tunepipe-"


@contextmanager
def scratch(purpose: str) -> Iterator[Path]:
    """A temporary folder of this process, removed at the end.

    Its name is `tunepipe-PURPOSE-HOST-PID-…`.
    """
    prefix = f"{_PREFIX}{purpose}-{host_in_names()}-"
    for found in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        if _abandoned(found, prefix):
            shutil.rmtree(found, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{prefix}{os.getpid()}-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def host_in_names() -> str:
    """The name of this machine as a part of a file name.

    Containers that share a temporary folder differ in it, but may not in process numbers.
    """
    return re.sub(r"[^\w.-]", "_", platform.node())


def _abandoned(folder: Path, prefix: str) -> bool:
    pid = folder.name.removeprefix(prefix).partition("-")[0]
    if not pid.isdecimal() or folder.is_symlink():
        return False
    try:
        # A folder of another user is never removed, even if this process may.
        if folder.stat().st_uid != os.geteuid():
            return False
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False
