"""A worker's side of a trial: takes an assignment, trains epoch by epoch, reports, leaves checkpoints.

It knows no Ray: the Trainable calls it in a worker process, and `--workers 0` calls it in the driver's own.
"""

import contextlib
import math
import platform
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.course.messages import REPORT_SECONDS, Assignment, EpochRow, Report
from pipeline.datasets import Dataset
from pipeline.errors import DamagedFile, ModelError, StorageError, Superseded, TunepipeError
from pipeline.execution.exchange import exchanges, must_fit
from pipeline.execution.in_hand import TrialInHand
from pipeline.execution.keeping import Keeper, learner_part
from pipeline.execution.output import captured
from pipeline.execution.winners_turn import told_of_winner
from pipeline.storage import Checkpoint, Store
from pipeline.storage.scratch import scratch
from pipeline.study import TuneJob, layout
from pipeline.training.base import EpochResult, TrainingEnded
from pipeline.training.folds import first_of
from pipeline.training.process import worn
from pipeline.training.workplace import Workplace

__all__ = ["Worker"]


class Worker:
    """Trains one trial after the other in this process, its `workplace`.

    Args:
        job: The study's job.
        data: Its data; None for a function objective.
        store: The study's folder.
        session: The driver session that it works for; None where it writes no checkpoints.
        capture: Whether what a trial prints goes to its log, rather than to this process's own output.
        told_to_end: Whether an exit is the process's own, that somebody has told to end, and not the user's code's.
        compare: Whether to find out, before the first trial here begins, if trials can take over each other's weights.
    """

    def __init__(
        self,
        job: TuneJob,
        data: Dataset | None,
        store: Store,
        *,
        session: int | None = None,
        capture: bool = True,
        told_to_end: Callable[[SystemExit], bool] = lambda _: False,
        compare: bool = True,
    ) -> None:
        self._capture, self._told_to_end = capture, told_to_end
        self._job = job
        self._store = store
        self._keeper = Keeper(store, session)
        self.workplace = Workplace(job, data)
        self._node = platform.node()
        self._trial: TrialInHand | None = None
        self._reports = 0
        self._compare = compare and exchanges(job)

    def begin(self, assignment: Assignment) -> None:
        """Take over an assignment; whatever was in hand is closed first. Nothing is built before the first step."""
        self.close()
        self._trial = TrialInHand(assignment)

    def step(self) -> Report:
        """Train until there is something to report.

        Returns:
            The report. The user's own mistakes are in it as a failure; what raises is a mistake of tunepipe's.
        """
        assert self._trial is not None, "a step needs an assignment"
        trial = self._trial
        with self._captured(trial):
            try:
                return self._finish(trial) if trial.assignment.task == "finish" else self._train(trial)
            except ModelError as error:
                if self._capture:
                    traceback.print_exc()
                return self._reported(trial, unusable=str(error))
            except DamagedFile as error:
                return self._reported(trial, failure=f"It cannot go on: {error}")
            except (StorageError, Superseded) as error:
                trial.over = True
                return Report(epoch=trial.epoch, stuck=str(error))
            except (Exception, SystemExit) as error:
                if isinstance(error, SystemExit) and self._told_to_end(error):
                    # The trial is all right: it goes on elsewhere.
                    raise
                traceback.print_exc()
                return self._reported(trial, failure=_told(error))

    def close(self) -> None:
        """The trial in hand is over or goes on elsewhere: leave a checkpoint of where it is."""
        trial, self._trial = self._trial, None
        if trial is None or trial.learner is None:
            return
        with self._captured(trial), contextlib.suppress(TunepipeError):
            # In the middle of an epoch the weights are of no epoch: the trial goes on from an older checkpoint.
            if not trial.over and not trial.in_epoch and trial.epoch > trial.saved_epoch:
                self._keep(trial, trial.epoch, self._snapshot(trial))
            self._keeper.written(wait=True)
        with contextlib.suppress(Exception):
            trial.learner.close()

    def _captured(self, trial: TrialInHand) -> contextlib.AbstractContextManager[None]:
        if not self._capture:
            return contextlib.nullcontext()
        return captured(self._store, layout.log(trial.assignment.trial_id))

    def _train(self, trial: TrialInHand) -> Report:
        started = time.monotonic()
        if trial.learner is None:
            if self._compare and not trial.assignment.heard:
                self._compare = False
                must_fit(self.workplace, trial.assignment)
            trial.start(self.workplace, self._keeper, self._job.objective)
            last = trial.ended or (bool(trial.rows) and trial.epoch >= self._job.budget.epochs)
            # What the driver has not heard of may be judged before anything more is trained.
            if last or (trial.rows and trial.epoch > trial.assignment.heard):
                return self._reported(trial, last=last)
        assert trial.learner is not None
        job, objective = self._job, self._job.objective
        milestone = job.scheduler.next_milestone(trial.epoch, job.budget.epochs)
        while True:
            trial.in_epoch = True
            try:
                result = trial.learner.run_epoch()
            except TrainingEnded:
                trial.in_epoch, last = False, True
                break
            trial.in_epoch = False
            trial.epoch += 1
            trial.ended = result.last
            trial.rows.append(self._row(trial, result))
            value = result.metrics.get(objective.metric)
            if value is None:
                return self._reported(trial, unusable=_unknown(objective.metric, result))
            for name, found in ((objective.metric, value), ("loss", result.metrics.get("loss", 0.0))):
                if not math.isfinite(found):
                    trial.over = True
                    return self._reported(trial, failure=f"{name} is {found}.\n\nAt epoch {trial.epoch}.")
            if objective.better(value, trial.best):
                trial.best = value
                trial.best_checkpoint = (trial.epoch, self._snapshot(trial))
            target = job.budget.target
            last = (
                trial.ended
                or trial.epoch >= job.budget.epochs
                or (target is not None and objective.reaches(value, target))
            )
            now = time.monotonic()
            # The first one tells how long an epoch takes. Where epochs are counted over all trials, each is told.
            late = now - started >= REPORT_SECONDS or not self._reports
            due = trial.epoch >= milestone or late or job.budget.total_epochs is not None
            if last or due:
                break
        at_milestone = trial.epoch >= milestone
        decided = last or (at_milestone and job.scheduler.leaves_checkpoint(trial.epoch, job.budget.epochs))
        self._leave_checkpoints(trial, due=decided)
        return self._reported(trial, last=last, decided=decided)

    def _row(self, trial: TrialInHand, result: EpochResult) -> EpochRow:
        assert trial.learner is not None
        return EpochRow(
            attempt=trial.assignment.attempt,
            segment=trial.assignment.segment,
            epoch=trial.epoch,
            model_epoch=trial.learner.model_epoch,
            metrics=dict(result.metrics),
            learning_rate=result.learning_rate,
            seconds_build=result.seconds_build,
            seconds_train=result.seconds_train,
            seconds_evaluate=result.seconds_evaluate,
            seconds_checkpoint=0.0,
            bytes_checkpoint=0,
            time=time.time(),
            node=self._node,
            updates=result.updates,
            parameters=result.parameters,
        )

    def _snapshot(self, trial: TrialInHand) -> Checkpoint:
        assert trial.learner is not None
        with trial.standing_still():
            return self._keeper.snapshot(
                trial.assignment,
                trial.learner.save(),
                epoch=trial.epoch,
                best=trial.best,
                ended=trial.ended,
                rows=trial.rows,
            )

    def _leave_checkpoints(self, trial: TrialInHand, *, due: bool) -> None:
        if trial.best_checkpoint is not None:
            self._keep(trial, *trial.best_checkpoint)
            trial.best_checkpoint = None
        due = due or time.monotonic() - trial.saved_at >= self._job.checkpoints.seconds
        if due and trial.epoch > trial.saved_epoch:
            self._keep(trial, trial.epoch, self._snapshot(trial))

    def _keep(self, trial: TrialInHand, epoch: int, checkpoint: Checkpoint) -> None:
        self._keeper.write(trial.assignment.trial_id, epoch, checkpoint)
        trial.saved_at = time.monotonic()
        trial.saved_epoch = max(trial.saved_epoch, epoch)

    def _reported(
        self,
        trial: TrialInHand,
        *,
        last: bool = False,
        decided: bool = True,
        failure: str | None = None,
        unusable: str | None = None,
    ) -> Report:
        """The report of all since the last one.

        Args:
            trial: The trial in hand.
            last: Whether it is over.
            decided: Whether somebody may act on it: then its checkpoints have to lie in the storage already.
            failure: Why it cannot go on.
            unusable: Why no trial of the job can be trained.
        """
        self._reports += 1
        over = last or failure is not None or unusable is not None
        with trial.standing_still():
            written = self._keeper.written(wait=over or decided)
        if trial.rows[trial.delivered :]:
            size = sum(each.bytes for each in written)
            trial.rows[-1] = replace(trial.rows[-1], seconds_checkpoint=trial.waited, bytes_checkpoint=size)
            trial.waited = 0.0
        trial.over = trial.over or failure is not None or unusable is not None
        rows, trial.delivered = tuple(trial.rows[trial.delivered :]), len(trial.rows)
        epochs = tuple(each.epoch for each in written)
        return Report(rows, trial.epoch, last, failure, unusable, checkpoints=epochs, worn=worn(self._job.resources))

    def _finish(self, trial: TrialInHand) -> Report:
        """Export the winner, load it back, and score it on the test split, which nothing has touched before."""
        from pipeline.training.export import winner

        assignment = trial.assignment
        trial.over = True
        state = self._winners_state(trial)
        if state is None:
            return Report(epoch=assignment.epoch)
        with scratch("winner") as folder:
            metrics = winner(
                self.workplace,
                assignment.config,
                state,
                seed=assignment.seed,
                folder=folder,
            )
            told = told_of_winner(assignment, self._job.objectives[0], metrics)
            (folder / PurePosixPath(layout.WINNER).name).write_text(told)
            for file in sorted(folder.iterdir()):
                self._keeper.check()
                self._store.write(f"{layout.EXPORT}/{file.name}", file.read_bytes())
        return Report(epoch=assignment.epoch, last=True, winner=metrics)

    def _winners_state(self, trial: TrialInHand) -> Checkpoint | None:
        """The state to export: of the best epoch, or, with folds, of as many epochs on the whole training part.

        Returns:
            The state; None while it is still being trained.
        """
        assignment = trial.assignment
        state = learner_part(self._keeper.read(layout.checkpoint(assignment.trial_id, assignment.epoch)))
        if self._job.folds == 1:
            return state if self._job.repeats == 1 else first_of(state)
        if trial.learner is None:
            print("tunepipe: The winner is fitted again on the whole training part.")
            trial.learner = self.workplace.whole(assignment.config, seed=assignment.seed)
        started = time.monotonic()
        while trial.learner.model_epoch < int(state.header["model_epoch"]):
            if trial.learner.run_epoch().last:
                break
            if time.monotonic() - started >= REPORT_SECONDS:
                return None
        return trial.learner.save()


def _unknown(metric: str, result: EpochResult) -> str:
    return (
        f"The objective {metric!r} is not among the metrics of the model. "
        f"There are: {', '.join(result.metrics)}. Choose one of them with --set objectives.0.metric=NAME, "
        "or compile the model with that metric."
    )


def _told(error: BaseException) -> str:
    """The error as its trial's row keeps it: what happened first, then where."""
    return f"{type(error).__name__}: {error}\n\n{''.join(traceback.format_exception(error))}"
