"""What a trial prints, kept in its own log: also what C++ libraries print, which Python's redirection misses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile

from pipeline.errors import StorageError
from pipeline.storage import Store

__all__ = ["captured"]

_STDOUT, _STDERR = 1, 2


@contextmanager
def captured(store: Store, path: str) -> Iterator[None]:
    """Append all that this process writes to stdout and stderr to a file of the store.

    Args:
        store: The study's folder.
        path: The log within it. It is not made where nothing is printed.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(_STDOUT), os.dup(_STDERR)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), _STDOUT)
        os.dup2(spool.fileno(), _STDERR)
        try:
            yield
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, standard in zip(kept, (_STDOUT, _STDERR), strict=True):
                os.dup2(descriptor, standard)
                os.close(descriptor)
            spool.seek(0)
            if printed := spool.read():
                # A log is no reason for a trial to fail: what its storage cannot take is told where results are lost.
                with suppress(StorageError):
                    store.append(path, printed)
