"""The output of a trial in its own log, including that of C++ libraries, which Python's redirection misses."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryFile

from pipeline.errors import StorageError
from pipeline.storage import Store

_STDOUT, _STDERR = 1, 2


@contextmanager
def captured(store: Store, path: str) -> Iterator[None]:
    """Append everything that this process writes to stdout and stderr to a file of the store."""
    sys.stdout.flush()
    sys.stderr.flush()
    originals = os.dup(_STDOUT), os.dup(_STDERR)
    with TemporaryFile() as spool:
        os.dup2(spool.fileno(), _STDOUT)
        os.dup2(spool.fileno(), _STDERR)
        try:
            yield
        finally:
            # Where temporary files cannot be written, the output is lost, and the trial continues.
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):
                    stream.flush()
            for descriptor, standard in zip(originals, (_STDOUT, _STDERR), strict=True):
                os.dup2(descriptor, standard)
                os.close(descriptor)
            spool.seek(0)
            if output := spool.read():
                # A trial does not fail because of its log: a broken storage is reported where results would be lost.
                with suppress(StorageError):
                    store.append(path, output)
