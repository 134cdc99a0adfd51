"""A second process beside a command: it computes a part of a large study's answer at the same time."""

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from importlib import import_module

from pipeline.machine.machine import this_machine
from pipeline.storage import Store

__all__ = ["answer", "pays", "serve", "started"]

_START = (
    "import gc, json, sys; gc.set_threshold(50_000, 2, 2); sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.results.second_process import serve; serve(sys.argv[2])"
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
    """Start a process that runs `main(*arguments)` of a module, answers with what that prints, and ends with this one.

    Its standard error is dropped: where it fails, its work is done here, and errors show here. It gets its arguments by
    its standard input: every user of the machine can read command lines, and a storage's URI may have a key in it.

    Args:
        module: The module's name.
        arguments: The arguments.

    Returns:
        The process; as a context, it waits for its end.
    """
    command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path), module]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has failed already, and `answer` says so
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()
    return process


def answer(process: subprocess.Popen[bytes]) -> bytes | None:
    """What a process has answered when it ends; None if it failed.

    Args:
        process: What `started` returned.
    """
    assert process.stdout is not None
    content = process.stdout.read()
    return content if process.wait() == 0 else None


def serve(module: str) -> None:
    """The other side of `started`, which runs in the process.

    Args:
        module: The module's name.
    """
    arguments = json.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_follow, daemon=True).start()
    import_module(module).main(*arguments)


def _follow() -> None:
    """End this process when the one that started it is gone, and with it the other end of the standard input."""
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)
