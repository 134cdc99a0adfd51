"""Imports what all trials need: every worker process of a cluster that tunepipe starts imports it before any work.

Importing TensorFlow takes seconds of one core. Processes that share a core would delay each other and the study's first
epoch, so only as many import at a time as the machine has cores. The others follow while the first ones train.
"""

import contextlib
import fcntl
import gc
import math
import os
import tempfile
from pathlib import Path

import psutil

from pipeline.machine import this_machine
from pipeline.training.process import garbage_collection_off, import_keras

with contextlib.ExitStack() as stack:
    cpus = this_machine().cpus
    cores = min(psutil.cpu_count(logical=False) or max(1, int(cpus) // 2), math.ceil(cpus))
    folder = Path(tempfile.gettempdir()) / f"tunepipe-{os.getuid()}-import-{os.getpid() % cores}"
    # In another user's folder, or on a full disk, nothing waits. The processes share nothing else than files.
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder, os.O_DIRECTORY | os.O_NOFOLLOW)
        stack.callback(os.close, lock)
        if os.fstat(lock).st_uid == os.getuid():
            fcntl.flock(lock, fcntl.LOCK_EX)
    stack.enter_context(garbage_collection_off())
    import pipeline.execution.ray.trainable

    import_keras()
    import pipeline.training.trainer  # noqa: F401

# These objects stay: collecting among them would free almost nothing.
gc.freeze()
