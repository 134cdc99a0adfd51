"""The study's last assignment: a warm worker exports the winner and evaluates it on the test split."""

from collections.abc import Mapping
from typing import Literal

from pipeline.engine.messages import Assignment, ProgressReport
from pipeline.engine.trial import Trial


class FinalEvaluation:
    """Whether the winner is still to be evaluated, and the result."""

    def __init__(self, *, wanted: bool, attempts: int) -> None:
        self._state: Literal["due", "assigned", "done"] = "due" if wanted else "done"
        self.attempts_left = attempts - 1
        self._assignment: Assignment | None = None
        self.metrics: Mapping[str, float] | None = None
        self.warning: str | None = None

    @property
    def assigned(self) -> bool:
        """Whether a worker is evaluating the winner."""
        return self._state == "assigned"

    @property
    def done(self) -> bool:
        """Whether nothing is left to do."""
        return self._state == "done"

    def take(self, best: Trial) -> Assignment | None:
        """The assignment, once; None after that."""
        if self._state != "due":
            return None
        self._state = "assigned"
        self._assignment = Assignment(
            best.trial_id, best.best_config, best.seed, task="finish", epoch=best.best_epoch, value=best.best
        )
        return self._assignment

    def on_report(self, report: ProgressReport) -> bool:
        """Take a worker's report."""
        if not (report.last or report.failure or report.unusable or report.stuck):
            return False
        self.metrics, self._state = report.winner, "done"
        self.warning = report.failure or report.unusable or report.stuck
        return True

    def on_worker_lost(self, message: str) -> Assignment | None:
        """Record that its worker is lost."""
        if self.attempts_left > 0:
            self.attempts_left -= 1
            return self._assignment
        self._state = "done"
        self.warning = f"Its worker was lost repeatedly, last: {message}"
        return None
