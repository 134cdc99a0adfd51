"""The end of a command's process."""

import subprocess
import sys

import pytest

PROGRAM = """
import atexit
from pipeline.cli.process_end import ProcessEnd

class Kept:
    def __del__(self):
        print("the interpreter ended")

kept, end = Kept(), ProcessEnd()
atexit.register(print, "an exit function")
"""


@pytest.mark.parametrize(
    ("last", "code", "errors"),
    [
        ("end.code = 0", 0, ""),
        ("end.code = 3; raise SystemExit(3)", 3, ""),
        ("raise ZeroDivisionError", 1, "ZeroDivisionError"),
    ],
)
def test_a_process_ends_after_its_exit_functions_and_before_the_interpreter(last: str, code: int, errors: str) -> None:
    """At its end, a command's process calls exit functions and prints an uncaught error, but releases no objects."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM + last], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, ended.stdout) == (code, "an exit function\n")
    assert ended.stderr.strip().endswith(errors)
