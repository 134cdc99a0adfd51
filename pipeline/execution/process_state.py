"""Restores the process after a call from Python, which leaves nothing but the study."""

from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.study.copies import as_before
from pipeline.training.global_state import kept_global_state

__all__ = ["kept_process_state"]


@contextmanager
def kept_process_state() -> Iterator[None]:
    """Restore, after the context, what running, training or loading a study changes in its process.

    Imports find again what they found before: the study's copies of the job's modules are unloaded, and the folders
    that they need leave sys.path. The generators and settings of Python, NumPy, Keras and TensorFlow are restored as
    `kept_global_state` says, which also says what TensorFlow does not allow to restore. Signal handlers are those of
    `interruptible`, and variables, loggers and Ray itself those of `ray_environment`; both restore what they change.
    """
    with as_before(), kept_global_state():
        yield
