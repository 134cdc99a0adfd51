"""Results as a notebook shows them: a leaderboard."""

from dataclasses import fields
from datetime import datetime
from pathlib import Path

from markupsafe import escape

from pipeline.results.tables import load
from pipeline.results.tables.load import Results
from pipeline.results.views.study import MAX_PARAMETERS, leaderboard, summary_line

_ROWS = 10


class NotebookResults(Results):
    """A study's results, which a notebook shows as their leaderboard."""

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
    return NotebookResults(**{each.name: getattr(results, each.name) for each in fields(results) if each.init})
