"""A command's process: output that cannot be written is a message, and the process ends before the interpreter."""

import atexit
import codecs
import io
import os
import sys
from contextlib import suppress
from typing import Any

from pipeline.errors import OutputLost


class _Output(io.FileIO):
    """A file descriptor that raises its own error class."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError as error:
            raise OutputLost(error.errno, error.strerror or str(error)) from None


class _Messages(io.FileIO):
    """A file descriptor for messages: if they cannot be written, the command continues without them."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except OSError:
            return len(memoryview(content).cast("B"))


def guard_streams() -> None:
    """Replace `sys.stdout` by a stream that raises OutputLost, and `sys.stderr` by one that drops what it cannot write.

    Python's own streams raise the errors of any file, and raise them again while the interpreter ends. A character that
    the encoding of a stream lacks is written as its escape: Python would end the command with a traceback.
    """
    for name, kind in (("stdout", _Output), ("stderr", _Messages)):
        # A caller may have closed it: it is then None in Python.
        if (stream := getattr(sys, name)) is not None:
            stream.flush()
            raw = io.BufferedWriter(kind(stream.fileno(), "w", closefd=False))
            # With PYTHONUNBUFFERED, the log of a driver has each line immediately.
            by_line = stream.line_buffering or getattr(stream, "write_through", False)
            errors = stream.errors if codecs.lookup(stream.encoding).name == "utf-8" else "backslashreplace"
            setattr(sys, name, io.TextIOWrapper(raw, stream.encoding, errors, line_buffering=by_line))


def forget_output() -> None:
    """Redirect standard output to /dev/null, so that flushing its buffer raises no error."""
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


class ProcessEnd:
    """Ends the process after the exit functions that were registered after this object was made.

    While the interpreter ends, a thread of PyArrow that releases a Python object aborts the process: one command in
    a hundred on an object store ended with SIGABRT after its work was done.
    """

    def __init__(self) -> None:
        self.code = 1
        """The process's exit code; that of an error which nothing catches, unless it is set."""
        atexit.register(self._end)

    def _end(self) -> None:
        for stream in (sys.stdout, sys.stderr):
            # Either one may be closed or lost by now, which main() has reported.
            with suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(self.code)
