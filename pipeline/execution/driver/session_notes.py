"""The sentences that a session prints for its user while trials train: each fact once."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from pipeline.engine.messages import ProgressReport
from pipeline.storage import Store
from pipeline.study import layout


class SessionNotes:
    """Prints once how trials train and why a resume is inexact, and the outcomes of commands and workers."""

    def __init__(self, store: Store, note: Callable[[str], None] | None = None) -> None:
        self._store, self._note = store, note or (lambda _text: None)
        self._trained_with: set[str] = set()
        self._inexact: set[str] = set()

    @contextmanager
    def sent_to(self, note: Callable[[str], None]) -> Iterator[None]:
        """Send the sentences elsewhere while the context is open."""
        before, self._note = self._note, note
        try:
            yield
        finally:
            self._note = before

    def on_report(self, report: ProgressReport) -> None:
        """Print how trials train, and why a resumed one may differ, if a report is the first to show it."""
        for how in dict.fromkeys(row.trained_with for row in report.rows):
            if how is not None and how not in self._trained_with:
                self._note(f"{'Other trials' if self._trained_with else 'Trials'} train with {how}.")
                self._trained_with.add(how)
        if report.inexact is not None:
            self.inexact_resume(report.inexact)

    def inexact_resume(self, reason: str) -> None:
        """Print once for each reason that trials do not resume exactly."""
        if reason not in self._inexact:
            self._inexact.add(reason)
            self._note(f"Resuming is inexact: a resumed trial may differ from an uninterrupted one, because {reason}.")

    def commands(self, outcomes: Mapping[str, str]) -> None:
        """Print the outcomes of users' commands."""
        for name, outcome in outcomes.items():
            self._note(f"Command {name}: {outcome}")

    def stop_requested(self) -> None:
        """Print on stderr that a user has requested the study's end."""
        print(
            "`tunepipe stop` requested the end: the study ends when the epochs in training are complete.",
            file=sys.stderr,
        )

    def worker_replaced(self, trial_id: str, excess: str) -> None:
        """Print on stderr and in the driver's log that a trial's worker ends, and that another process trains the
        next.
        """
        message = f"The worker of trial {trial_id} ends, and the next trial gets a new process: {excess}."
        print(message, file=sys.stderr)
        self._store.append(layout.log("driver"), f"{message}\n".encode())
