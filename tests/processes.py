"""Processes that tests start and signal: they receive SIGINT as on a terminal, even if the tests' caller ignores it."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]
_POLL_SECONDS = 0.05
_PATIENCE = 300.0
"""Seconds after which pytest-timeout ends a test, too."""


@contextmanager
def receiving_signals() -> Iterator[None]:
    """Let this process, and what it starts meanwhile, receive SIGINT and SIGTERM.

    A shell starts background jobs with SIGINT ignored; that is inherited, by Python and by all that it starts.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler),
        signal.SIGTERM: signal.signal(signal.SIGTERM, signal.SIG_DFL),
    }
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def started(command: Sequence[Any], **options: Any) -> "subprocess.Popen[Any]":
    """A process that receives signals; options are those of Popen."""
    with receiving_signals():
        return subprocess.Popen(command, **options)


def wait_for(
    condition: Callable[[], Any],
    process: "subprocess.Popen[Any] | None" = None,
    reported: Callable[[], str] = str,
    *,
    seconds: float = _PATIENCE,
) -> Any:
    """Poll until a condition holds; fail immediately if the process has ended, and otherwise after a time."""
    end = time.monotonic() + seconds
    while not (value := condition()):
        if process is not None:
            assert process.poll() is None, reported() or (process.stderr and process.stderr.read())
        assert time.monotonic() < end, f"It did not happen within {seconds:g} s. {reported()}"
        time.sleep(_POLL_SECONDS)
    return value


def printed_without_privileges(code: str, folder: str) -> str:
    """What Python code prints that an unprivileged user runs, for whom a file's permissions count."""
    imports = [line for line in code.splitlines() if line.startswith(("import ", "from "))]
    rest = [line for line in code.splitlines() if line not in imports]
    given_up = "if os.getuid() == 0: os.setgroups([]); os.setgid(65534); os.setuid(65534)"
    script = "\n".join(["import os, sys", *imports, given_up, *rest, ""])
    return subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True).stdout
