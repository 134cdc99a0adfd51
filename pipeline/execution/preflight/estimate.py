"""How long a study may take, and the size of its checkpoints, estimated from one measured epoch."""

from dataclasses import dataclass

from pipeline.execution.preflight.finding import Finding, TrainingFacts
from pipeline.execution.preflight.storage_findings import kept_bytes
from pipeline.study import TuneJob
from pipeline.study.trial_configs import trials_in_all
from pipeline.wording import counted, rough_duration


@dataclass(frozen=True, slots=True)
class Estimate:
    """The size of a study, if no trial is stopped early and trials do not slow each other down."""

    trials: int
    epochs: int
    workers: int
    seconds_start: float
    seconds_build: float
    seconds_epoch: float
    seconds: float
    bytes_checkpoint: int
    bytes_kept: int
    bytes_memory: int


def study_estimate(job: TuneJob, trained: TrainingFacts, *, start: float, workers: int) -> Estimate:
    """A study's size from the first epoch of its first trial."""
    trials = trials_in_all(job)
    epochs = min(trials * job.budget.epochs, job.budget.total_epochs or trials * job.budget.epochs)
    work = trials * trained.seconds_build + epochs * trained.seconds_epoch
    # The last of the trials may train alone; and no more workers train than there are trials.
    parallel = max(1, min(workers, trials))
    return Estimate(
        trials=trials,
        epochs=epochs,
        workers=parallel,
        seconds_start=start,
        seconds_build=trained.seconds_build,
        seconds_epoch=trained.seconds_epoch,
        seconds=start + work / parallel,
        bytes_checkpoint=trained.bytes_checkpoint,
        bytes_kept=kept_bytes(job, trials=trials, workers=parallel, checkpoint=trained.bytes_checkpoint),
        bytes_memory=trained.bytes_memory,
    )


def time_finding(job: TuneJob, estimate: Estimate) -> Finding:
    """How long a study takes, and whether the budget's seconds are enough."""
    budget = job.budget
    what = f"{counted(estimate.trials, 'trial')} × {counted(budget.epochs, 'epoch')}"
    if estimate.epochs < estimate.trials * budget.epochs:
        what = f"{counted(estimate.epochs, 'epoch')} in total"
    workers = (
        "one worker" if estimate.workers == 1 else f"{estimate.workers} workers, if they do not slow each other down"
    )
    sentence = f"about {rough_duration(estimate.seconds)} for {what} on {workers}"
    if _stops_early(job):
        sentence += f"; {job.scheduler.kind} usually takes a fraction of it"
    if budget.seconds is None or estimate.seconds <= budget.seconds:
        return Finding("time", "ok", sentence)
    limit = f"budget.seconds ends the study after {rough_duration(budget.seconds)}"
    if budget.seconds < estimate.seconds_start:
        start = rough_duration(estimate.seconds_start)
        return Finding("time", "error", f"{limit}, and its workers take {start} to start", "Increase --seconds.")
    seconds_per_epoch = estimate.seconds_epoch + estimate.seconds_build * estimate.trials / estimate.epochs
    enough = max(1, int((budget.seconds - estimate.seconds_start) * estimate.workers / seconds_per_epoch))
    advice = "Trials that are cut off keep their best epoch; a larger budget continues them."
    return Finding("time", "warning", f"{sentence}. {limit}: enough for about {counted(enough, 'epoch')}", advice)


def _stops_early(job: TuneJob) -> bool:
    """Whether the scheduler stops poor trials before their last epoch."""
    return job.scheduler.next_milestone(0, job.budget.epochs) < job.budget.epochs and not job.scheduler.exploits
