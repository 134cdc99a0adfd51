"""The list of a storage's studies."""

import hashlib
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from pipeline.page.study_cache import StudyCache, StudyLine
from pipeline.text import format_number, rough_duration

_WIDTH, _HEIGHT, _MARGIN = 96, 24, 2


def studies_content(studies: StudyCache) -> dict[str, Any]:
    """The content of the list."""
    lines = studies.lines()
    return {"mark": mark_of(lines), "studies": [_study(line) for line in lines]}


def mark_of(lines: Sequence[StudyLine]) -> str:
    """A text that changes when the list does."""
    # Estimates change with the clock, which is not a change of the study.
    shown = [(line.row, line.sparks) for line in lines]
    return hashlib.sha256(repr(shown).encode(errors="replace")).hexdigest()[:16]


def _study(line: StudyLine) -> dict[str, Any]:
    row = line.row
    return {
        "name": row.name,
        "state": row.state,
        "fault": row.fault,
        "trials": row.trials,
        "epochs": row.epochs,
        "metric": row.metric or "",
        "best": "–" if row.best is None else format_number(row.best),
        "left": "–" if line.left is None else rough_duration(line.left),
        "started": row.started.astimezone().strftime("%Y-%m-%d %H:%M") if row.started else "–",
        "spark": _spark(line.sparks),
    }


def _spark(values: Sequence[float]) -> Markup:
    """The best value so far as a small picture; it says nothing that the table does not."""
    if len(values) < 2:
        return Markup("")
    low, high = min(values), max(values)
    across, up = (_WIDTH - 2 * _MARGIN) / (len(values) - 1), (_HEIGHT - 2 * _MARGIN) / ((high - low) or 1)
    points = " ".join(
        f"{_MARGIN + place * across:.1f},{_HEIGHT - _MARGIN - (value - low) * up:.1f}"
        for place, value in enumerate(values)
    )
    return Markup(
        f'<svg class="spark" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" aria-hidden="true">'
        f'<polyline points="{points}"/></svg>'
    )
