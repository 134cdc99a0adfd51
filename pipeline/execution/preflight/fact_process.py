"""A separate process for work that is heavy or may hang: it publishes facts line by line, and ends when not needed.

TensorFlow, Ray and the user's code run only there. It leads a process group, so that processes of the user's code end
with it; and it ends itself when the process that started it is gone.
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
from collections.abc import Callable, Collection, Generator, Mapping
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from pipeline.execution.preflight.finding import Fact, Failure, as_event, as_fact
from pipeline.execution.ray.cluster import ENVIRONMENT

Publish = Callable[[Fact], None]
"""Publishes a fact; an argument of the function `main` of a process."""

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pipeline.execution.preflight.fact_process import serve; serve(sys.argv[2:])"
)
_HOME = str(Path(__file__).parents[3])
"""The entry of sys.path in which the process finds tunepipe: also the folder of a job within a checkout."""

_POLL_SECONDS = 0.2
_LAST_LINES = 4


def facts(
    module: str, arguments: Mapping[str, Any], *, seconds: float, without: Collection[str] = ()
) -> Generator[Fact, None, None]:
    """Run `main(publish, **arguments)` of a module in its own process."""
    alive, ours = os.pipe()
    facts_pipe, theirs = os.pipe()
    with TemporaryFile() as printed, contextlib.ExitStack() as descriptors:
        for descriptor in (ours, facts_pipe):
            descriptors.callback(os.close, descriptor)
        path = [entry for entry in sys.path if entry not in without or entry == _HOME]
        given = [str(theirs), str(alive), json.dumps(arguments)]
        try:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, json.dumps(path), module, *given],
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
            late = yield from _lines(process, facts_pipe, time.monotonic() + seconds)
            if late:
                yield Failure(f"It had not ended after {seconds:g} s.", late=True)
            elif code := process.wait():
                yield Failure(_death(code, printed))
        finally:
            _end(process)


def serve(arguments: list[str]) -> None:
    """The other side of `facts`, which runs in the process."""
    module, facts_pipe, alive, given = arguments[0], int(arguments[1]), int(arguments[2]), arguments[3]
    for descriptor in (facts_pipe, alive):
        os.set_inheritable(descriptor, False)
    threading.Thread(target=_follow, args=(alive,), daemon=True).start()

    def publish(fact: Fact) -> None:
        os.write(facts_pipe, json.dumps(as_event(fact)).encode() + b"\n")

    code = 1
    try:
        import_module(module).main(publish, **json.loads(given))
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of the user's code would keep the process alive.
    os._exit(code)


def _follow(alive: int) -> None:
    """Kill the group when the process that started it is gone, and with it the other end of the pipe."""
    os.read(alive, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)


def _lines(process: "subprocess.Popen[bytes]", facts_pipe: int, until: float) -> Generator[Fact, None, bool]:
    """The facts; returns whether the time was up before the process had ended."""
    rest = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([facts_pipe], [], [], min(left, _POLL_SECONDS))[0]:
            # Processes that the user's code has forked may keep the pipe open.
            if process.poll() is not None:
                return False
            continue
        piece = os.read(facts_pipe, 2**16)
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
    """Kill the process and its group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
