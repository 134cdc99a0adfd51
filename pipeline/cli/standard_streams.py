"""Standard output and error: output that cannot be written ends the command with a message, not a traceback."""

import codecs
import io
import os
import sys
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
    # A caller may have closed either stream: it is then None in Python.
    for name, kind in (("stdout", _Output), ("stderr", _Messages)):
        stream = getattr(sys, name)
        if stream is None:
            continue
        stream.flush()
        raw = io.BufferedWriter(kind(stream.fileno(), "w", closefd=False))
        # With PYTHONUNBUFFERED, the log of a driver has each line immediately.
        by_line = stream.line_buffering or getattr(stream, "write_through", False)
        # Tables and sentences have dashes and ellipses, and names and values any character.
        errors = stream.errors if codecs.lookup(stream.encoding).name == "utf-8" else "backslashreplace"
        guarded = io.TextIOWrapper(raw, stream.encoding, errors, line_buffering=by_line)
        setattr(sys, name, guarded)


def forget_output() -> None:
    """Redirect standard output to /dev/null, so that flushing its buffer raises no error."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
