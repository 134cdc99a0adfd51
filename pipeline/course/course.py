"""A study's course: draws trials, hears their reports, decides. A driver session writes it down, a simulation plays it.

It knows no clock: how many seconds have passed is told by whoever drives it, a real clock or one that is simulated.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Literal

from pipeline.course.decided import DecisionRow, decision_row, exploit_rows
from pipeline.course.draws import Draw, own_draw
from pipeline.course.limits import alike, spent
from pipeline.course.messages import Report
from pipeline.course.standing import Standing
from pipeline.course.trial import Trial
from pipeline.course.turns import Turns
from pipeline.schedulers import Decision, Scheduler, Setting
from pipeline.study import TuneJob
from pipeline.study.drawing import trials_in_all

__all__ = ["Course", "Verdict"]

Verdict = Literal["continue", "pause", "stop"]


class Course:
    """What has become of every trial, and what becomes of it next.

    Args:
        job: What is tuned.
        decided: Is told every decision, in order.
        seconds: Tells how long the study has taken.
        build: Makes the scheduler, where the job's own settings cannot.
        draw: Gives the configs, where the job's own searcher cannot.
    """

    def __init__(
        self,
        job: TuneJob,
        decided: Callable[[DecisionRow], None],
        seconds: Callable[[], float],
        *,
        build: Callable[[Setting], Scheduler] | None = None,
        draw: Draw | None = None,
    ) -> None:
        self._job, self._tell, self._seconds = job, decided, seconds
        self.limit = trials_in_all(job)
        setting = Setting(
            space=job.space,
            mode=job.objective.mode,
            epochs=job.budget.epochs,
            trials=self.limit,
            seed=job.seed,
        )
        self.scheduler = (build or job.scheduler.build)(setting)
        self.standing = Standing(job.objective)
        self.trials: dict[str, Trial] = {}
        self._turns = Turns(job, self.scheduler, decided, self.trials, limit=self.limit, draw=draw or own_draw(job))
        self.total_epochs = 0
        self.over: str | None = None
        self.interrupted = False
        self.exhausted = False

    @property
    def best(self) -> Trial | None:
        """The study's best trial; None as long as there is none."""
        return self.standing.best

    @property
    def running(self) -> bool:
        """Whether any trial is in a worker's hands."""
        return self._turns.running

    def next(self) -> Trial | None:
        """The trial that a free worker starts or goes on with; None if there is none now.

        None while no trial is running means that the study has ended: then no trial is left alive.
        """
        self.check_budget()
        if self.over is None:
            if (trial := self._turns.take()) is not None:
                return trial
            if not self.running:
                self.exhausted = True
                self._turns.exhaust()
        if self.over is not None and not self.interrupted:
            self._turns.cut_off(self.over)
        return None

    def hear(self, trial: Trial, report: Report) -> None:
        """Take a report's epochs into account."""
        self.total_epochs += sum(row.epoch > trial.epoch for row in report.rows)
        if report.epoch > trial.epoch:
            trial.losses = 0
        self.standing.record(trial, report.rows)
        trial.epoch = max(trial.epoch, report.epoch)
        trial.checkpoints.update(report.checkpoints)

    def judge(self, trial: Trial, report: Report) -> Verdict:
        """Whether a trial goes on after a report that was heard.

        Returns:
            `continue` the trial; `pause` it: a later `next` may choose it again; or `stop` it for good.
        """
        if (failure := report.failure or report.unusable) is not None:
            return self.fail(trial, failure)
        decision = self._decided(trial, report)
        if report.last:
            whole = trial.epoch >= self._job.budget.epochs
            reason = (
                "All its epochs are trained." if whole else "It ended before: a callback, its function, or the target."
            )
            return self._end(trial, "completed", decision_row(trial, "finish", decision, reason))
        self.check_budget()
        if self.over is not None and not self.interrupted:
            trial.cut_off = True
            return self._end(trial, "stopped", decision_row(trial, "stop", Decision("stop", self.over)))
        return self._follow(trial, decision)

    def fail(self, trial: Trial, failure: str) -> Verdict:
        """End a trial that cannot go on.

        Args:
            trial: The trial.
            failure: Why, its first line a sentence.
        """
        what = DecisionRow(trial.trial_id, trial.epoch, "fail", failure, value=trial.value)
        verdict = self._end(trial, "failed", what)
        trial.error = failure.splitlines()[0]
        if trial is self.best:
            self.standing.reconsider(self.trials.values())
        self.over = self.over or alike(self._job, self.trials.values())
        return verdict

    def interrupt(self) -> None:
        """Go no further: what is running is paused and goes on when the study is resumed."""
        self.interrupted = True
        self.over = self.over or "The study was interrupted."
        for trial in self.trials.values():
            if trial.state == "running":
                self._turns.pause(trial)
                self._tell(DecisionRow(trial.trial_id, trial.epoch, "pause", self.over))

    def check_budget(self) -> None:
        """See whether a limit of the study is reached."""
        best = self.best.best if self.best else None
        self.over = self.over or spent(self._job, seconds=self._seconds(), epochs=self.total_epochs, best=best)

    def state(self) -> dict[str, Any]:
        """What a resumed study needs beside the tables, as JSON values."""
        return {
            "trials": [trial.to_json() for trial in self.trials.values()],
            "scheduler": self.scheduler.state(),
        }

    def restore(self, state: Mapping[str, Any], more: Callable[[Collection[Trial]], None]) -> None:
        """Go on from what `state` returned in an earlier session.

        Args:
            state: The state.
            more: Is given all trials, and has those wait that go on.
        """
        self.scheduler.restore(state["scheduler"])
        for fields in state["trials"]:
            trial = Trial.from_json(fields)
            self.trials[trial.trial_id] = trial
            self.total_epochs += trial.epoch
            self.standing.compare(trial)
        self.check_budget()
        more(self.trials.values())
        self._turns.restored()

    def _decided(self, trial: Trial, report: Report) -> Decision:
        """Tell the scheduler every milestone of the report, in order: after a restart there may be several."""
        decision = Decision("continue", "Between two milestones.")
        metric, epochs = self._job.objective.metric, self._job.budget.epochs
        for row in report.rows:
            if self._job.scheduler.next_milestone(row.epoch - 1, epochs) == row.epoch:
                decision = self.scheduler.report(trial.trial_id, row.epoch, row.metrics[metric])
            if decision.action != "continue":
                break
        return decision

    def _follow(self, trial: Trial, decision: Decision) -> Verdict:
        if decision.action == "continue":
            return "continue"
        if decision.action == "stop":
            return self._end(trial, "stopped", decision_row(trial, "stop", decision))
        rows: Iterable[DecisionRow] = [decision_row(trial, "pause", decision)]
        if decision.action == "exploit":
            rows = exploit_rows(trial, decision)
            trial.exploit(decision)
        for row in rows:
            self._tell(row)
        self._turns.pause(trial)
        return "pause"

    def _end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> Verdict:
        self._turns.end(trial, state, row)
        return "stop"
