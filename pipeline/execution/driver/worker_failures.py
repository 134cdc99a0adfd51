"""Lost workers: the trial that each of them trained is trained by another, until the trial may be what kills them."""

from pipeline.engine.messages import Assignment
from pipeline.engine.study_loop import StudyLoop
from pipeline.execution.driver.final_evaluation import FinalEvaluation

MAX_WORKER_FAILURES = 4
"""A trial fails after this many lost workers without a new epoch in between: it may be what kills them. A trial
that makes progress may lose any number of workers, because machines are taken away."""


class WorkerFailures:
    """Decides whether a trial gets another worker. The counts are part of the trials, so that a resume continues
    them.
    """

    def __init__(self, loop: StudyLoop, final_evaluation: FinalEvaluation) -> None:
        self._loop, self._final_evaluation = loop, final_evaluation

    def on_worker_lost(self, trial_id: str, message: str) -> Assignment | None:
        """Record that a trial's worker is lost."""
        if self._final_evaluation.assigned:
            return self._final_evaluation.on_worker_lost(message)
        trial = self._loop.trials[trial_id]
        if trial.state != "running":
            return None
        trial.worker_failures += 1
        if trial.worker_failures >= MAX_WORKER_FAILURES:
            reason = f"Its worker was lost {MAX_WORKER_FAILURES} times without a new epoch, last: {message}"
            self._loop.fail(trial, reason)
            return None
        self._loop.retry(trial, f"Its worker was lost: {message}")
        return trial.assignment()

    def left(self, trial_id: str) -> int:
        """How many more workers a trial, or the final evaluation, may lose in a row before it fails."""
        if self._final_evaluation.assigned:
            return self._final_evaluation.attempts_left
        return MAX_WORKER_FAILURES - 1 - self._loop.trials[trial_id].worker_failures
