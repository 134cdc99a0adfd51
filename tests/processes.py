"""Processes that tests start and signal: they heed SIGINT, as on a terminal, whatever the tests' own caller ignores."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

__all__ = ["TUNEPIPE", "heeding_signals", "started", "wait_for"]

TUNEPIPE = [sys.executable, "-m", "pipeline.cli.app"]


@contextmanager
def heeding_signals() -> Iterator[None]:
    """Let this process, and what it starts meanwhile, heed SIGINT and SIGTERM.

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
    """A process that heeds signals; options are those of Popen."""
    with heeding_signals():
        return subprocess.Popen(command, **options)


def wait_for(condition: Callable[[], Any], process: "subprocess.Popen[Any]", reported: Callable[[], str] = str) -> None:
    """Poll until a condition holds; fail at once if the process has ended.

    Args:
        condition: What is waited for.
        process: Whose doing it is.
        reported: What the process has printed.
    """
    while not condition():
        assert process.poll() is None, reported() or (process.stderr and process.stderr.read())
        try:
            process.wait(timeout=0.05)
        except subprocess.TimeoutExpired:
            continue
