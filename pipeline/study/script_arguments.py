"""The command line that a job's file reads while it is loaded: that of the script, not that of the process."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def script_arguments(path: Path, arguments: Sequence[str] = ()) -> Iterator[None]:
    """A context in which `sys.argv` is the command line of a script.

    A file that calls `parse_args()` at its top level would otherwise read the arguments of `tunepipe`, or of Ray's
    worker process, and end.
    """
    before = sys.argv
    sys.argv = [str(path), *arguments]
    try:
        yield
    finally:
        sys.argv = before
