"""The study's last assignment: a warm worker exports the winner and scores it on the test split."""

from collections.abc import Mapping
from typing import Literal

from pipeline.course.messages import Assignment, Report
from pipeline.course.trial import Trial

__all__ = ["WinnersTurn"]


class WinnersTurn:
    """Whether the winner is still to be tested, and what came of it.

    Args:
        wanted: Whether there is anything to export: a model, not a function.
        attempts: How often it is tried while workers are lost.
    """

    def __init__(self, *, wanted: bool, attempts: int) -> None:
        self._state: Literal["due", "given", "done"] = "due" if wanted else "done"
        self.left = attempts - 1
        self._assignment: Assignment | None = None
        self.metrics: Mapping[str, float] | None = None
        self.warning: str | None = None

    @property
    def given(self) -> bool:
        """Whether a worker is at it."""
        return self._state == "given"

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self._state == "done"

    def take(self, best: Trial) -> Assignment | None:
        """The assignment, once.

        Args:
            best: The study's best trial.
        """
        if self._state != "due":
            return None
        self._state = "given"
        self._assignment = Assignment(best.trial_id, best.best_config, best.seed, task="finish", epoch=best.best_epoch)
        return self._assignment

    def hear(self, report: Report) -> bool:
        """A worker's report.

        Returns:
            Whether it is done, well or badly.
        """
        if not (report.last or report.failure or report.unusable or report.stuck):
            return False
        self.metrics, self._state = report.winner, "done"
        self.warning = report.failure or report.unusable or report.stuck
        return True

    def lost(self, message: str) -> Assignment | None:
        """Its worker is gone.

        Returns:
            The same assignment for another worker; None after too many.
        """
        if self.left > 0:
            self.left -= 1
            return self._assignment
        self._state = "done"
        self.warning = f"Its worker was lost again and again, last: {message}"
        return None
