"""The comparison of several studies."""

from collections.abc import Sequence
from typing import Any

from pipeline.errors import UsageError
from pipeline.page.readings import StudyCache
from pipeline.results.analysis.comparison import compared
from pipeline.results.views.comparison_tables import comparison_tables, comparison_warnings

__all__ = ["comparison_content"]

_MOST = 8


def comparison_content(readings: StudyCache, names: Sequence[str]) -> dict[str, Any]:
    """The content of the page.

    Args:
        readings: The studies.
        names: The studies' names; one that is named twice counts once.

    Raises:
        UsageError: There are fewer than two, or too many.
        JobNotFound: There is no such study.
    """
    wanted = list(dict.fromkeys(names))
    if not 2 <= len(wanted) <= _MOST:
        raise UsageError(f"Choose 2 to {_MOST} studies to compare; found {len(wanted)}.")
    comparison = compared({name: readings.results(name) for name in wanted})
    return {
        "names": wanted,
        "objective": comparison.members[0].results.objective.metric,
        "warnings": comparison_warnings(comparison),
        "tables": comparison_tables(comparison),
    }
