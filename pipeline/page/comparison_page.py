"""The comparison of several studies."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from pipeline.errors import UsageError
from pipeline.page.study_cache import StudyCache
from pipeline.results.analysis.comparison import compared
from pipeline.results.views.explanation import comparison_tables, comparison_warning

_MAX_STUDIES = 8


def compared_names(names: Sequence[str]) -> list[str]:
    """The studies that a comparison is of."""
    wanted = list(dict.fromkeys(names))
    if not 2 <= len(wanted) <= _MAX_STUDIES:
        raise UsageError(f"Choose 2 to {_MAX_STUDIES} studies to compare; found {len(wanted)}.")
    return wanted


def comparison_mark(studies: StudyCache, names: Sequence[str]) -> str:
    """A text that changes when one of the studies does."""
    return " ".join(studies.snapshot(name).mark for name in names)


def comparison_content(studies: StudyCache, names: Sequence[str]) -> dict[str, Any]:
    """The content of the page."""
    wanted = compared_names(names)
    mark = comparison_mark(studies, wanted)
    comparison = compared({name: studies.results(name) for name in wanted})
    return {
        "mark": mark,
        "events": f"/compare/events?{urlencode([('study', name) for name in wanted])}",
        "names": wanted,
        "objective": next(iter(comparison.studies.values())).objective.metric,
        "warning": comparison_warning(comparison),
        "tables": comparison_tables(comparison),
    }
