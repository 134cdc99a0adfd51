"""Which rows and columns a command line asks for."""

import pytest

from pipeline.cli.rows import names
from pipeline.errors import UsageError


def test_columns_are_named_with_commas() -> None:
    """Column names are separated by commas, blanks around them are ignored, and a missing option names no column."""
    assert names(" state, -seconds", "--sort", "state,-seconds") == ["state", "-seconds"]
    assert names(None, "--sort", "state,-seconds") == []


@pytest.mark.parametrize("text", ["", " ", ",", " , "])
def test_an_option_that_names_no_column_is_refused(text: str) -> None:
    """An option that names no column is refused with the value found and the columns allowed."""
    with pytest.raises(UsageError, match=r"--columns must name columns .* for example trial_id,objective; found"):
        names(text, "--columns", "trial_id,objective")
