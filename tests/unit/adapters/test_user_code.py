"""The line of the user's code."""

import json
import sys
from pathlib import Path

import pytest

from pipeline.adapters.user_code import refused, user_errors, user_line, user_place
from pipeline.errors import InvalidJob
from pipeline.wording import counted


def test_the_users_line_is_the_innermost_that_is_no_librarys() -> None:
    """The user's line is the innermost frame outside of libraries."""
    file, line = user_line()
    assert Path(file) == Path(__file__)
    assert "user_line()" in Path(__file__).read_text().splitlines()[line - 1]


def test_an_error_names_the_running_line() -> None:
    """An error about the user's code names the line that is running and what is allowed."""
    line = user_line()[1] + 1
    error = refused("the program", "x", "must be y")
    assert f"test_user_code.py, line {line}: must be y" in str(error)
    assert user_place() == f"test_user_code.py, line {line + 2}"


def test_an_error_of_the_users_code_is_one_of_the_job() -> None:
    """An error of the user's code, or of a library that it calls, becomes an error of the job with the user's line."""
    with pytest.raises(InvalidJob, match=r"user_code.py, line \d+: must run .*KeyError"), user_errors("the program"):
        {}["missing"]
    with pytest.raises(InvalidJob, match=r"line \d+: must run .*JSONDecodeError"), user_errors("the program"):
        json.loads("no")
    with pytest.raises(InvalidJob, match="SystemExit: 3"), user_errors("the program"):
        sys.exit(3)


def test_a_bug_of_tunepipe_stays_an_error_of_its_own() -> None:
    """An error that tunepipe's own code raises, called by the user's, is not reported as the user's mistake."""
    with pytest.raises(TypeError), user_errors("the program"):
        counted(None, "trial")  # type: ignore[arg-type]
