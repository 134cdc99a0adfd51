"""The state of a study, and the next decision about each trial."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Literal, TypeAlias, get_args

from pipeline.engine.commands import REFUSED, STOPPED_BY_USER, ChangeBudget, Command, StopTrial
from pipeline.engine.draws import Draw, own_draw
from pipeline.engine.limits import common_failure, exhausted_budget
from pipeline.engine.messages import Assignment, EpochRow, Report, objective_values_of, values_in, violation_in
from pipeline.engine.trial import DecisionRow, Incumbent, SavedState, Trial, TrialState, decision_row
from pipeline.errors import InvalidJob
from pipeline.schedulers import Decision, Scheduler, SchedulerContext
from pipeline.storage import layout
from pipeline.study import TuneJob
from pipeline.study.trial_configs import seed_of_trial, trials_in_all
from pipeline.text import COLOURS, draw_order, first_line, format_number, sanitize

Verdict: TypeAlias = Literal["continue", "pause", "stop"]

MAX_WORKER_FAILURES = 4
"""A trial fails after this many lost workers without a new epoch in between: it may be what kills them. A trial
that makes progress may lose any number of workers, because machines are taken away."""


def scheduler_context(job: TuneJob) -> SchedulerContext:
    return SchedulerContext(
        space=job.space,
        mode=job.objective.mode,
        epochs=job.budget.epochs,
        trials=trials_in_all(job),
        seed=job.seed,
        objectives=[(one.metric, one.mode) for one in job.objectives] if len(job.objectives) > 1 else (),
    )


class Engine:
    """A study's state machine. Its methods are the study's events; only they change its state.

    A trial is completed, stopped or failed; a study has ended, with a reason.
    """

    def __init__(
        self,
        job: TuneJob,
        on_decision: Callable[[DecisionRow], None],
        seconds: Callable[[], float],
        *,
        session: int = 1,
        build: Callable[[SchedulerContext], Scheduler] | None = None,
        draw: Draw | None = None,
    ) -> None:
        self.job = job
        self.scheduler = (build or job.scheduler.build)(scheduler_context(job))
        self.trials: dict[str, Trial] = {}
        self.limit = trials_in_all(job)
        self.total_epochs = self.decided = 0
        self.end_reason: str | None = None
        """Why the study ends before all its trials are trained, as a sentence; None if it does not."""
        self.interrupted = False
        """Whether the study was interrupted: its paused trials continue when it is resumed."""
        self.exhausted = False
        self.changed: set[str] = set()
        """Trials with a report, a decision or another state since `written` took note of theirs."""
        self.outcomes: dict[str, str] = {}
        self._on_decision, self._seconds, self._session = on_decision, seconds, session
        self._incumbent = Incumbent(job.objectives)
        self._draw = draw or own_draw(job)
        # Updated with each change: a scan of all trials is slow in a study with thousands of paused ones.
        self._live: dict[str, Trial] = {}
        self._waiting: dict[str, None] = {}
        # Trials that have run or ended since the last draw: for draws, the others are as they were.
        self._since_draw: set[str] = set()

    @property
    def best(self) -> Trial | None:
        """The study's best trial; None while no epoch has a value."""
        return self._incumbent.best

    @property
    def counts(self) -> Counter[TrialState]:
        """How many trials are in each state, 0 included; a display reads it while trials change."""
        counts: Counter[TrialState] = Counter(dict.fromkeys(get_args(TrialState), 0))
        counts.update(trial.state for trial in list(self.trials.values()))
        return counts

    @property
    def ending(self) -> bool:
        """Whether the study ends: no trial starts, though some may run until their next reports."""
        return self.end_reason is not None or self.exhausted

    @property
    def running(self) -> bool:
        return len(self._waiting) < len(self._live)

    def assignment(self, trial: Trial) -> Assignment:
        return Assignment(
            trial_id=trial.trial_id,
            config=trial.config,
            seed=seed_of_trial(self.job, int(trial.trial_id)),
            attempt=trial.attempt,
            segment=trial.segment,
            segment_session=trial.segment_session,
            epoch=trial.segment_start,
            parent_trial=trial.parent_trial,
            parent_epoch=trial.parent_epoch,
            reported_epoch=trial.epoch,
            # A session that was killed may have left files of a trial that its recorded state does not have.
            new=self._session == 1 and trial.attempt == 1 and not trial.epoch,
        )

    def saved_state(self) -> SavedState:
        """What a later session needs to continue, in addition to the tables."""
        return SavedState(self.scheduler.state(), list(self.trials.values()), self.outcomes, self.decided)

    # Events of workers

    def next(self) -> Trial | None:
        """A worker is free: the trial that it starts or continues; None if there is none now.

        None while no trial is running means that the study has ended.
        """
        self._check_budget()
        if self._all_fail():
            # A running trial may still show that not all of them fail.
            return None
        if self.end_reason is None:
            if (trial := self._take()) is not None:
                return trial
            if not self.running:
                self.exhausted = True
                self._stop_chosen(self._in_order(), exhausted=True)
        if self.end_reason is not None and not self.interrupted:
            for trial in map(self.trials.__getitem__, self._in_order()):
                trial.cut_off = True
                self._stop(trial, self.end_reason)
        return None

    def on_report(self, trial_id: str, report: Report) -> Verdict:
        """A worker reports epochs: record them, and decide whether the trial continues."""
        trial = self.trials[trial_id]
        self._record(trial, report)
        if report.failure is not None:
            # Where the storage fails, the trial itself is intact.
            return "pause" if report.cause == "storage" else self._fail(trial, report.failure)
        decision = self._decision(trial, report)
        if report.last:
            early = trial.epoch < self.job.budget.epochs
            # A study that continues with another target trains it on.
            trial.cut_off = early and any(map(self._reaches_target, report.rows[-1:]))
            by_itself = "It ended early, by a callback, its function or the target."
            reason = by_itself if early else "All its epochs are trained."
            return self._end(trial, "completed", decision_row(trial, "complete", decision, reason))
        self._check_budget()
        if trial.stop_reason is not None:
            return self._stop(trial, trial.stop_reason)
        # Also where the study ends: the scheduler's state has its decision, and the study may get a larger budget.
        verdict = self._follow(trial, decision)
        if self.end_reason is not None and not self.interrupted and trial.live:
            trial.cut_off = True
            return self._stop(trial, self.end_reason)
        return verdict

    def on_worker_lost(self, trial_id: str, message: str) -> Assignment | None:
        """A worker is lost: its trial gets another, unless it may be what kills them."""
        trial = self.trials[trial_id]
        if trial.state != "running":
            return None
        trial.worker_failures += 1
        if trial.worker_failures >= MAX_WORKER_FAILURES:
            reason = f"Its worker was lost {MAX_WORKER_FAILURES} times without a new epoch, last: {message}"
            self._fail(trial, reason)
            return None
        trial.attempt += 1
        reason = f"Its worker was lost: {message} Attempt {trial.attempt}."
        self._decide(DecisionRow(trial_id, trial.epoch, "retry", reason))
        return self.assignment(trial)

    def failures_left(self, trial_id: str) -> int:
        """How many more workers a trial may lose in a row before it fails."""
        return MAX_WORKER_FAILURES - 1 - self.trials[trial_id].worker_failures

    # Events of the driver

    def end(self, reason: str) -> None:
        """The study ends because of an error: no trial starts, and running ones end at their next reports."""
        self.end_reason = reason

    def interrupt(self, *, by_user: str | None = None) -> None:
        """The study is interrupted: running trials are paused, and continue when it is resumed."""
        if by_user is not None and self.end_reason is None:
            self.end_reason = by_user
            self._decide(DecisionRow(None, None, "stop", by_user))
        self.interrupted = True
        self.end_reason = self.end_reason or "The study was interrupted."
        for trial in [trial for trial in self._live.values() if trial.state == "running"]:
            self._pause(trial)
            self._decide(DecisionRow(trial.trial_id, trial.epoch, "pause", self.end_reason))

    def restore(self, saved: SavedState, files: Collection[tuple[str, int]], *, epochs_before: int) -> None:
        """A session begins where an earlier one has ended, and the storage has these checkpoints.

        Trials that ran train on, and those that a smaller budget had ended. A later segment began with another trial's
        weights. Where no checkpoint of either is left, it trains no more.
        """
        self.scheduler.restore(saved.scheduler)
        self.outcomes.update(saved.outcomes)
        self.decided = saved.decided
        self.trials.update((trial.trial_id, trial) for trial in saved.trials)
        self.changed.update(self.trials)
        self.total_epochs = sum(trial.epoch for trial in saved.trials)
        self._incumbent.reconsider(saved.trials)
        self._check_budget()
        self.on_listing(files)
        for trial in self.trials.values():
            longer = trial.state == "completed" and epochs_before <= trial.epoch < self.job.budget.epochs
            if not longer and not (trial.cut_off and self.end_reason is None):
                if trial.state == "running":
                    trial.state = "paused"
                continue
            starts = trial.segment == 1 or (trial.parent_trial, trial.parent_epoch) in files
            if starts or any(epoch > trial.segment_start for epoch in trial.checkpoints):
                trial.state, trial.cut_off = "paused", False
                continue
            reason = "It gets no more epochs: its checkpoints were deleted to keep to the limits of `checkpoints`."
            kind: Literal["complete", "stop"] = "complete" if trial.state == "completed" else "stop"
            self._decide(DecisionRow(trial.trial_id, trial.epoch, kind, reason, value=trial.value))
        self._live = {trial_id: trial for trial_id, trial in self.trials.items() if trial.live}
        self._waiting = dict.fromkeys(self._live)
        for trial in list(self._live.values()):
            if trial.stop_reason is not None:
                self._stop(trial, trial.stop_reason)

    def on_listing(self, files: Iterable[tuple[str, int]]) -> set[str]:
        """The storage was listed: of each trial, keep its files that were known, or all if none was.

        Files of its best and of its last epoch count as known: its worker may have written them after the last report.
        Other files are not the trial's: a killed driver may have drawn a trial that is drawn again.
        """
        found: dict[str, set[int]] = {}
        for trial_id, epoch in files:
            found.setdefault(trial_id, set()).add(epoch)
        changed: set[str] = set()
        for trial in self.trials.values():
            here, before = found.get(trial.trial_id, set()), trial.checkpoints
            if here & before:
                here &= before | {trial.epoch, trial.best.epoch if trial.best else 0}
            if here != before:
                trial.checkpoints = here
                changed.add(trial.trial_id)
        self.changed |= changed
        return changed

    def written(self, trials: Collection[str], *, deleted: Iterable[tuple[str, int]] = ()) -> None:
        """The state of trials is written, and checkpoints that nothing needs are deleted."""
        self.changed -= set(trials)
        for trial_id, epoch in deleted:
            self.trials[trial_id].checkpoints.discard(epoch)
            self.changed.add(trial_id)

    # Events of users

    def on_command(self, name: str, command: Command | str) -> str:
        """A user gives a command, or a text that says why it is none; returns its outcome in words, once executed."""
        if name not in self.outcomes:
            self.outcomes[name] = command if isinstance(command, str) else self._execute(name, command)
        return self.outcomes[name]

    def _execute(self, name: str, command: Command) -> str:
        because = f"{f': {command.reason}' if command.reason else ''} (command {name})."
        if isinstance(command, StopTrial):
            return self._stop_by_user(command, f"{STOPPED_BY_USER}{because}")
        if self.ending:
            then = f"`tunepipe resume {self.job.name}` with a larger budget continues it."
            return f"{REFUSED}the study is ending. {then}"
        return self._change_budget(command, because)

    def _stop_by_user(self, command: StopTrial, reason: str) -> str:
        trial = self.trials.get(command.trial_id)
        if trial is None:
            return f"{REFUSED}there is no trial {command.trial_id}."
        if not trial.live:
            return f"Trial {trial.trial_id} has already ended: it is {trial.state}."
        if trial.state == "running":
            trial.stop_reason = reason
            self.changed.add(trial.trial_id)
            return f"Trial {trial.trial_id} ends at its next report."
        self._stop(trial, reason)
        return f"Trial {trial.trial_id} is stopped."

    def _change_budget(self, command: ChangeBudget, because: str) -> str:
        old, names = self.job.budget, ("trials", "total_epochs", "seconds")
        changes = {name: value for name in names if (value := getattr(command, name)) is not None}
        try:
            job = self.job.replaced({f"budget.{name}": value for name, value in changes.items()})
        except InvalidJob as error:
            return f"{REFUSED}{'; '.join(map(str, error.faults))}."
        changed = ", ".join(
            f"{name} {format_number(value)} instead of {getattr(old, name) or 'no limit'}"
            for name, value in changes.items()
        )
        self._decide(DecisionRow(None, None, "budget", f"A user changed the budget ({changed}){because}"))
        self.job, self.limit = job, trials_in_all(job)
        self.scheduler.trials = self.limit
        self._check_budget()
        return f"The budget is changed: {changed}."

    # What follows from events

    def _record(self, trial: Trial, report: Report) -> None:
        self.changed.add(trial.trial_id)
        self.total_epochs += sum(row["epoch"] > trial.epoch for row in report.rows)
        if report.epoch > trial.epoch:
            trial.worker_failures = 0
        if self._incumbent.record(trial, report.rows):
            self._incumbent.reconsider(self.trials.values())
        # Later segments are left out: they continue with weights that another config trained.
        for row in report.rows if trial.segment == 1 else ():
            if self._is_milestone(row["epoch"]) or (report.last and row is report.rows[-1]):
                values = values_in(row, self.job.objectives)
                if values[0] is not None:
                    # A milestone that is reported again changes nothing.
                    trial.milestones.setdefault(row["epoch"], values)
        trial.epoch = max(trial.epoch, report.epoch)
        for trial_id, epoch, _ in report.checkpoints:
            self.changed.add(trial_id)
            self.trials[trial_id].checkpoints.add(epoch)

    def _decision(self, trial: Trial, report: Report) -> Decision:
        """The scheduler's decision on the milestones of a report: after a restart there may be several."""
        decision = Decision("continue", "Between two milestones.")
        for row in report.rows:
            value = row["metrics"].get(self.job.objective.metric)
            # With another budget of epochs, a milestone may be an epoch that was none when it was trained.
            if value is not None and self._is_milestone(row["epoch"]):
                values = objective_values_of(values_in(row, self.job.objectives), self.job.objectives)
                decision = self.scheduler.on_result(trial.trial_id, row["epoch"], value, values)
            if decision.action != "continue":
                break
        return decision

    def _reaches_target(self, row: EpochRow) -> bool:
        value = row["metrics"].get(self.job.objective.metric)
        return self.job.budget.target_reached(self.job.objective, value, violation_in(row, self.job.objectives))

    def _is_milestone(self, epoch: int) -> bool:
        return self.job.scheduler.next_milestone(epoch - 1, self.job.budget.epochs) == epoch

    def _follow(self, trial: Trial, decision: Decision) -> Verdict:
        if decision.action == "continue":
            return "continue"
        if decision.action == "stop":
            return self._end(trial, "stopped", decision_row(trial, "stop", decision))
        if decision.action == "exploit":
            assert decision.config is not None
            copied, row = decision.parent_config, decision_row(trial, "exploit", decision)
            self._decide(replace(row, config_before=trial.config, config_after=copied))
            explored = DecisionRow(trial.trial_id, trial.epoch, "explore", decision.explored)
            self._decide(replace(explored, config_before=copied, config_after=decision.config))
            trial.milestones.clear()
            trial.config, trial.segment, trial.segment_start = decision.config, trial.segment + 1, trial.epoch
            trial.parent_trial, trial.parent_epoch = decision.parent_trial, decision.parent_epoch
            # A driver that resumes from an earlier state may begin another segment of the same number.
            trial.segment_session = self._session
        else:
            self._decide(decision_row(trial, "pause", decision))
        self._pause(trial)
        return "pause"

    def _take(self) -> Trial | None:
        """Start the trial that runs next: a paused one, as the scheduler chooses, or a new one."""
        chosen = self.scheduler.choose(self._waiting.keys()) if self._waiting else None
        if chosen is not None:
            del self._waiting[chosen.trial_id]
        self._stop_chosen(self._waiting.keys())
        if chosen is not None:
            trial = self.trials[chosen.trial_id]
            if chosen.action == "promote":
                self._decide(decision_row(trial, "promote", chosen))
            else:
                reason = f"Continues after epoch {trial.epoch}: {chosen.reason}."
                self._decide(DecisionRow(trial.trial_id, trial.epoch, "resume", reason))
        else:
            if (drawn := self._drawn()) is None:
                return None
            trial, reason = drawn
            self._decide(DecisionRow(trial.trial_id, 0, "start", reason, config_after=trial.config))
        self._move(trial, "running")
        self.scheduler.start(trial.trial_id)
        return trial

    def _drawn(self) -> tuple[Trial, str] | None:
        """A new trial, and why it was drawn; None if all are drawn, or if the searcher has none now."""
        index = len(self.trials)
        if index >= self.limit:
            return None
        changed, trials = self._since_draw, self.trials
        self._since_draw = {trial_id for trial_id in changed if trials[trial_id].state == "running"}
        suggestion = self._draw(index, trials.values(), changed)
        if suggestion is None:
            return None
        trial = Trial(layout.trial_id(index), suggestion.config)
        self.trials[trial.trial_id] = self._live[trial.trial_id] = trial
        self.scheduler.add(trial.trial_id, suggestion.config)
        return trial, suggestion.reason

    def _stop_chosen(self, candidates: Collection[str], *, exhausted: bool = False) -> None:
        stopped = self.scheduler.trials_to_stop(candidates, exhausted=exhausted)
        for trial_id in stopped if exhausted else sorted(stopped, key=draw_order):
            trial = self.trials[trial_id]
            # With a larger budget it may continue.
            trial.cut_off = exhausted
            self._end(trial, "stopped", decision_row(trial, "stop", stopped[trial_id]))

    def _in_order(self) -> list[str]:
        return sorted(self._waiting, key=draw_order)

    def _fail(self, trial: Trial, failure: str) -> Verdict:
        failure = sanitize(COLOURS.sub("", failure))
        self._end(trial, "failed", DecisionRow(trial.trial_id, trial.epoch, "fail", failure, value=trial.value))
        trial.error = first_line(failure)
        if trial is self.best:
            self._incumbent.reconsider(self.trials.values())
        self._all_fail()
        return "stop"

    def _stop(self, trial: Trial, reason: str) -> Verdict:
        return self._end(trial, "stopped", decision_row(trial, "stop", Decision("stop", reason)))

    def _end(self, trial: Trial, state: Literal["stopped", "completed", "failed"], row: DecisionRow) -> Verdict:
        self._decide(row)
        self._move(trial, state)
        self._live.pop(trial.trial_id, None)
        self._waiting.pop(trial.trial_id, None)
        self.scheduler.end(trial.trial_id, completed=state == "completed")
        return "stop"

    def _pause(self, trial: Trial) -> None:
        self._move(trial, "paused")
        self._waiting[trial.trial_id] = None

    def _move(self, trial: Trial, state: TrialState) -> None:
        self._since_draw.add(trial.trial_id)
        trial.state = state

    def _check_budget(self) -> None:
        best = None if self.best is None else self.best.best
        self.end_reason = self.end_reason or exhausted_budget(
            self.job, seconds=self._seconds(), epochs=self.total_epochs, best=best
        )

    def _all_fail(self) -> bool:
        """Whether the first trials have the same error and a running trial decides; ends the study if none runs."""
        if self.end_reason is not None or (failure := common_failure(self.job, self.trials.values())) is None:
            return False
        if not self.running:
            self.end_reason = failure
        return self.end_reason is None

    def _decide(self, row: DecisionRow) -> None:
        """Number a decision, pass it to the receiver, and mark its trial as changed."""
        if row.trial_id is not None:
            self.changed.add(row.trial_id)
        self.decided += 1
        self._on_decision(replace(row, number=self.decided))
