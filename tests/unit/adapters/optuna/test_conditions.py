"""Suggestions that depend on others."""

from collections.abc import Callable

import pytest

from pipeline.adapters import from_file
from pipeline.errors import InvalidJob


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("op_dep.py:objective", r"op_dep.py, line \d+: must have a range that does not depend on other suggestions"),
        (
            "op_branches.py:objective",
            r"op_branches.py, line 8: must be suggested in each trial, or depend only on the value",
        ),
    ],
)
def test_unsupported_programs_are_refused_with_the_line(
    place: str, message: str, program: Callable[[str], str]
) -> None:
    """An Optuna program that cannot be translated is refused with its line and what is allowed."""
    name, _, objective = place.partition(":")
    with pytest.raises(InvalidJob, match=message):
        from_file(f"{program(name)}:{objective}", "optuna", {})
