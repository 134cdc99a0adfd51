"""How a call of `run` ended, as Python and a notebook show it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import TunepipeError
from pipeline.storage import Store
from pipeline.study.studies import as_argument
from pipeline.text import sanitize_line

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.results.notebook import NotebookResults
    from pipeline.results.tables.load import Best

_SHOWN = ("best", "config", "test split", "ended", "not exported")


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """How a call of `run` ended.

    A notebook and a prompt display it, and `print` prints it, with the best value, its config, where the study's files
    are, and commands that read them.
    """

    store: Store
    finished_before: bool = False
    message: str = ""
    winner: Mapping[str, float] = field(default_factory=dict)
    warning: str | None = None

    @property
    def results(self) -> "NotebookResults":
        """The study's tables, state and best trial, read now."""
        from pipeline.results.notebook import load_results

        return load_results(self.store.uri)

    @property
    def trials(self) -> "pd.DataFrame":
        """One row for each trial, read now."""
        return self.results.trials

    @property
    def epochs(self) -> "pd.DataFrame":
        """One row for each epoch, read now."""
        return self.results.epochs

    @property
    def decisions(self) -> "pd.DataFrame":
        """One row for each decision with its reason, read now."""
        return self.results.decisions

    @property
    def best(self) -> "Best | None":
        """The best trial with its value, epoch and config, read now; None if no epoch has a finite value."""
        return self.results.best

    @property
    def location(self) -> str:
        """The study's folder, as `load_results`, `load_model` and `show` take it."""
        return self.store.uri

    def __repr__(self) -> str:
        from pipeline.results.views.study import summary, summary_line
        from pipeline.study import layout

        try:
            results = self.results
            lines = {label: text for label, text in summary(results).items() if label in _SHOWN}
            lines["study"] = results.location
            if self.store.exists(layout.WINNER):
                lines["export"] = self.store.folder(layout.EXPORT).uri
        except TunepipeError:
            # It was deleted, say: what is displayed must not raise.
            return f"Outcome of a study that can no longer be read: {self.location}"
        study = as_argument(self.location)
        lines["next"] = "  ".join(f"tunepipe {command} {study}" for command in ("results", "explain", "report"))
        width = max(map(len, lines)) + 2
        title = summary_line(results) + (" (it was finished before)" if self.finished_before else "")
        return "\n".join([title, *(f"{label:<{width}}{sanitize_line(text)}" for label, text in lines.items())])
