"""A second process beside a command: it computes a part of a large study's answer at the same time."""

import json
import subprocess
import sys

from pipeline.machine.machine import this_machine
from pipeline.storage import Store

__all__ = ["pays", "started"]

_START = (
    "import gc, json, sys; gc.set_threshold(50_000, 2, 2); sys.path[:] = json.loads(sys.argv[1]); "
    "from importlib import import_module; import_module(sys.argv[2]).main(*sys.argv[3:])"
)

_LEAST_BYTES = 1_000_000
"""Bytes of a study's epochs, about 50,000 of them: what a smaller one needs is not worth the start of a process."""


def pays(store: Store) -> bool:
    """Whether a command about a study is sooner done with a second process.

    Args:
        store: The study's folder.

    Raises:
        StorageError: The storage cannot be listed.
    """
    return sum(size for _, size in store.sizes("epochs")) >= _LEAST_BYTES and this_machine().cpus >= 2


def started(module: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process that runs `main(*arguments)` of a module, and answers through its standard streams.

    What it prints to its standard error is dropped: where it fails, its work is done here, and errors show here.

    Args:
        module: The module's name.
        arguments: The arguments.

    Returns:
        The process; as a context, it waits for its end.
    """
    command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path), module, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
