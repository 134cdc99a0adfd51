"""The command line that a job's file reads while it is loaded."""

import sys
from pathlib import Path

import pytest

from pipeline.study.script_arguments import script_arguments


def test_a_script_reads_its_own_command_line() -> None:
    """Within the context sys.argv is the script's; afterwards it is the process's."""
    before = sys.argv
    with script_arguments(Path("a.py"), ["--size", "3"]):
        assert sys.argv == ["a.py", "--size", "3"]
    assert sys.argv is before


def test_an_error_in_a_script_leaves_the_process_s_command_line() -> None:
    """After a script has failed, sys.argv is that of the process."""
    before = sys.argv
    with pytest.raises(SystemExit), script_arguments(Path("a.py")):
        raise SystemExit
    assert sys.argv is before
