"""The end of a command's process, without the end of the interpreter in it."""

import atexit
import os
import sys
from contextlib import suppress


class ProcessEnd:
    """Ends the process after the exit functions that were registered after this object was made.

    While the interpreter ends, a thread of PyArrow that releases a Python object aborts the process: one command in
    a hundred on an object store ended with SIGABRT after its work was done. A process that ends before the interpreter
    does has no such moment, and saves a last garbage collection.
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
