"""Imported by every worker process of a cluster that tunepipe starts, before it is given work: what all trials need.

Importing TensorFlow takes seconds of one core. Where two processes share a core they keep each other waiting, and the
first epoch of a study with them; so as many import at a time as the machine has cores. The others follow while the
first ones train.
"""

import fcntl
import gc
import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from pipeline.training.lean import import_keras, uncollected

__all__: list[str] = []


@contextmanager
def _turn() -> Iterator[None]:
    """Wait for one of the places; they are files, since the processes share nothing else."""
    folder = Path(tempfile.gettempdir()) / f"tunepipe-{os.getuid()}"
    cores = psutil.cpu_count(logical=False) or max(1, (os.cpu_count() or 1) // 2)
    with ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            places = [stack.enter_context((folder / f"import-{place}").open("w")) for place in range(cores)]
        except OSError:
            # A folder of somebody else's, or a full disk: then nobody waits.
            yield
            return
        for place in places:
            with suppress(BlockingIOError):
                fcntl.flock(place, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
        else:
            fcntl.flock(places[os.getpid() % len(places)], fcntl.LOCK_EX)
        yield


with _turn(), uncollected():
    import pipeline.execution.trainable

    import_keras()
    import pipeline.training.trainer  # noqa: F401

# What is there now stays: going over it again would find next to nothing.
gc.freeze()
