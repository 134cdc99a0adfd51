"""The process of a call from Python: one study at a time, and the state of the process is restored afterwards."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.code import as_before
from pipeline.errors import UsageError
from pipeline.training.global_state import kept_global_state

_LOCK = threading.RLock()


@contextmanager
def one_study() -> Iterator[None]:
    """Refuse a study while another thread runs one; a study within a study's own function is allowed."""
    if not _LOCK.acquire(blocking=False):
        raise UsageError(
            "Another thread of this process is running a study. Studies change what all threads share: random "
            "generators, imports, standard output, Ray. Run one after the other, or each in a separate process."
        )
    try:
        yield
    finally:
        _LOCK.release()


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Restore, after the context, what running, training or loading a study changes in its process.

    Imports find again what they found before: the study's copies of the job's modules are unloaded, and the folders
    that they need leave sys.path. The generators and settings of Python, NumPy, Keras and TensorFlow are restored as
    `kept_global_state` says, which also names what TensorFlow cannot restore. Signal handlers are those of
    `interruptible`, and variables, loggers and Ray itself those of `ray_environment`; both restore what they change.
    """
    with as_before(), kept_global_state():
        yield
