"""Results as a notebook shows them: a leaderboard, and a study's pictures."""

import re
import sys
import uuid
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from markupsafe import Markup, escape

from pipeline.errors import UsageError
from pipeline.results.tables import load
from pipeline.results.tables.load import Results
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard, summary, summary_line

_ROWS = 10


class NotebookResults(Results):
    """A study's results, which a notebook shows as their leaderboard."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        board = leaderboard(self, top=_ROWS, most=MAX_PARAMETERS)
        more = self.table("trials").num_rows - len(board.rows)
        rest = f"<p>… and {more} more in <code>.trials</code>.</p>" if more > 0 else ""
        return f"<p>{escape(summary_line(self))}</p>{board.as_html() if board.rows else ''}{rest}"


def load_results(path_or_uri: str | Path, *, now: datetime | None = None) -> NotebookResults:
    """Read a study, even while it runs.

    Args:
        path_or_uri: The study's folder: a local path or a URI.
        now: The time at which to judge whether a driver is silent; the current time unless given.

    Returns:
        The study's tables as pandas DataFrames, its state and its best trial.

    Raises:
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    results = load.load_results(path_or_uri, now=now)
    return NotebookResults(**{each.name: getattr(results, each.name) for each in fields(results)})


def show(path_or_uri: str | Path) -> None:
    """Display a study's pictures below the cell of a notebook, as they are now.

    Args:
        path_or_uri: The study's folder: a local path or a URI.

    Raises:
        UsageError: This process is not the kernel of a notebook.
        JobNotFound: There is no study there; names the studies there are.
        StorageError: The storage cannot be read, or the study was written by a newer tunepipe.
    """
    ipython = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        raise UsageError(
            "show() displays pictures in a Jupyter notebook, but this process is not the kernel of one. `tunepipe "
            "serve` shows studies in a browser, and `tunepipe report` writes a study's pictures into a file."
        )
    from IPython.display import HTML, display

    from pipeline.results.report.page import template
    from pipeline.results.report.sections import live_sections

    results, key = load.load_results(path_or_uri), f"show-{uuid.uuid4().hex[:8]}"
    page = template("notebook.html.jinja").render(
        key=key,
        summary_line=summary_line(results),
        summary=summary(results),
        sections=list(live_sections(results)),
        svg=lambda text: Markup(_own_ids(text, key)),
    )
    display(HTML(page))


def _own_ids(svg: str, key: str) -> str:
    """A picture whose parts refer to each other by names that no other output of the notebook has."""
    return re.sub(r"<[^>]+>", lambda tag: re.sub(r'( id="| href="#|url\(#)', rf"\1{key}-", tag[0]), svg)
