"""The line of the user's code."""

from pathlib import Path

from pipeline.adapters.user_code import refused, user_line, user_place


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
