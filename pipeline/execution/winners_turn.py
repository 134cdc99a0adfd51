"""The study's last assignment: a warm worker exports the winner and scores it on the test split."""

import json
import math
from collections.abc import Mapping
from typing import Literal

from pipeline.course.messages import Assignment, Report
from pipeline.course.trial import Trial
from pipeline.study import Objective

__all__ = ["WinnersTurn", "told_of_winner"]


def told_of_winner(assignment: Assignment, objective: Objective, metrics: Mapping[str, float]) -> str:
    """What winner.json says; docs/results-json.md has its keys.

    Args:
        assignment: The winner, as it was exported.
        objective: By which it was chosen.
        metrics: What it scored on the test split; empty where there is none.
    """
    told = {
        "trial_id": assignment.trial_id,
        "epoch": assignment.epoch,
        "config": assignment.config,
        "objective": {"metric": objective.metric, "mode": objective.mode, "value": assignment.value},
        # JSON has no NaN: a metric that is not finite is null.
        "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
    }
    return json.dumps(told, indent=2, allow_nan=False) + "\n"


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
        self._assignment = Assignment(
            best.trial_id, best.best_config, best.seed, task="finish", epoch=best.best_epoch, value=best.best
        )
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
