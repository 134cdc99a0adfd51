"""Imported by every worker process of a cluster that tunepipe starts, before it is given work: what all trials need.

Importing TensorFlow takes seconds of one core. Processes that all do so at once keep each other waiting, and the first
epoch of a study with them; so half as many import at a time as the machine has hardware threads. The others follow
while the first ones train.
"""

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__: list[str] = []


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one of the places; they are files, since the processes share nothing else."""
    places = max(1, (os.cpu_count() or 1) // 2)
    folder = Path(tempfile.gettempdir()) / f"tunepipe-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"import-{os.getpid() % places}").open("w") as place:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield


with _turn():
    import pipeline.execution.trainable
    import pipeline.training.trainer  # noqa: F401
