"""A second process of a command: it computes a part of a large study's result at the same time."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from pipeline.machine.machine import this_machine
from pipeline.results.light_imports import light_imports

if TYPE_CHECKING:
    from pipeline.storage import Store


_START = (
    "import gc, json, sys; gc.set_threshold(50_000, 2, 2); sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.results.second_process import serve; serve(sys.argv[2], **json.loads(sys.argv[3]))"
)

_MIN_BYTES = 1_000_000
"""Bytes of a study's epochs, about 50,000 of them: a smaller study is not worth the start of a process."""


def is_worthwhile(store: "Store") -> bool:
    """Whether a second process makes a command about a study faster."""
    return sum(size for _, size in store.sizes("epochs")) >= _MIN_BYTES and this_machine().cpus >= 2


def start_process(module: str, libraries: Sequence[str] = (), **skipped: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start a process that runs `main` of a module when `send_arguments` says so, and ends with this one.

    It answers with what `main` prints. Its standard error is dropped: where it fails, its work is done here, and
    errors show here.
    """
    imports = json.dumps({"libraries": libraries, **skipped})
    command = [sys.executable, "-P", "-c", _START, json.dumps(sys.path), module, imports]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


def send_arguments(process: subprocess.Popen[bytes], *arguments: Any) -> None:
    """Let a process run `main(*arguments)`, once.

    It gets its arguments by its standard input: every user of the machine can read command lines, and a storage's URI
    may have a key in it.
    """
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # it has failed already, and `read_answer` says so
        process.stdin.write(json.dumps(arguments).encode() + b"\n")
        process.stdin.flush()


def read_answer(process: subprocess.Popen[bytes]) -> bytes | None:
    """What a process has answered when it ends; None if it failed."""
    assert process.stdout is not None
    content = process.stdout.read()
    return content if process.wait() == 0 else None


def serve(module: str, libraries: Sequence[str], **skipped: Sequence[str]) -> None:
    """The other side of `start_process`, which runs in the process."""
    asked: SimpleQueue[list[Any]] = SimpleQueue()
    threading.Thread(target=_read_arguments, args=[asked], daemon=True).start()
    with light_imports(**skipped):
        main = import_module(module).main
        for library in libraries:
            import_module(library)
    main(*asked.get())


def _read_arguments(asked: SimpleQueue[list[Any]]) -> None:
    """Read the arguments, and end this process when the one that started it is gone, and with it their pipe."""
    if line := sys.stdin.buffer.readline():
        asked.put(json.loads(line))
        os.read(sys.stdin.fileno(), 1)
    os._exit(1)
