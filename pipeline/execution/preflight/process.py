"""A process of its own for what is heavy or may hang: it tells facts line by line, and is gone when it is not needed.

TensorFlow, Ray and the user's code are let into it alone. It leads a process group, so that what the user's code starts
goes with it; and it ends itself when the process that started it is gone, however that came about.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Mapping
from importlib import import_module
from tempfile import TemporaryFile
from typing import Any

from pipeline.execution.on_ray import ENVIRONMENT
from pipeline.execution.preflight.finding import Fact, Failed, as_event, as_fact

__all__ = ["Tell", "facts", "serve"]

Tell = Callable[[Fact], None]
"""What the function `main` of a process is given to tell facts by."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.execution.preflight.process import serve; serve(sys.argv[2:])"
)
_POLL_SECONDS = 0.2
_LAST_LINES = 4


def facts(module: str, arguments: Mapping[str, Any], *, seconds: float) -> Generator[Fact, None, None]:
    """Run `main(tell, **arguments)` of a module in a process of its own.

    Args:
        module: The module's name.
        arguments: JSON values.
        seconds: When the process is ended, whatever it is doing.

    Yields:
        Its facts as they come; the last one is `Failed` where the process was late or died. Closing the generator ends
        the process.
    """
    alive, ours = os.pipe()
    told, theirs = os.pipe()
    with TemporaryFile() as printed, contextlib.ExitStack() as descriptors:
        for descriptor in (ours, told):
            descriptors.callback(os.close, descriptor)
        given = [str(theirs), str(alive), json.dumps(arguments)]
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, json.dumps(sys.path), module, *given],
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs, alive),
                start_new_session=True,
                env={**ENVIRONMENT, **os.environ},
            )
        finally:
            os.close(alive)
            os.close(theirs)
        try:
            late = yield from _lines(process, told, time.monotonic() + seconds)
            if late:
                yield Failed(f"It had not ended after {seconds:g} s.", late=True)
            elif code := process.wait():
                yield Failed(_death(code, printed))
        finally:
            _end(process)


def serve(arguments: list[str]) -> None:
    """The other side of `facts`: what the process itself runs."""
    module, told, alive, given = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3]
    for descriptor in (told, alive):
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_follow, args=(alive,), daemon=True).start()

    def tell(fact: Fact) -> None:
        os.write(told, json.dumps(as_event(fact)).encode() + b"\n")

    code = 1
    try:
        import_module(module).main(tell, **json.loads(given))
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads that the user's code has left would keep the process.
    os._exit(code)


def _follow(alive: int) -> None:
    """Wait until nobody holds the other end any more: then all of the group is in vain."""
    os.read(alive, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _lines(process: "subprocess.Popen[bytes]", told: int, until: float) -> Generator[Fact, None, bool]:
    """The facts; returns whether the time was up before the process ended."""
    rest = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([told], [], [], min(left, _POLL_SECONDS))[0]:
            # What the user's code has forked may hold the pipe open.
            if process.poll() is not None:
                return False
            continue
        piece = os.read(told, 2**16)
        if not piece:
            return False
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield as_fact(json.loads(line))
    return True


def _death(code: int, printed: Any) -> str:
    printed.seek(0)
    lines = [line for line in printed.read().decode(errors="replace").splitlines() if line.strip()]
    how = f"ended with code {code}"
    if code < 0:
        how = f"was killed by {signal.Signals(-code).name}" + (" (out of memory?)" if -code == signal.SIGKILL else "")
    last = f" It last printed: {' / '.join(lines[-_LAST_LINES:])}" if lines else ""
    return f"Its process {how}.{last}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the process and all of its group; nothing of it is worth waiting for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
