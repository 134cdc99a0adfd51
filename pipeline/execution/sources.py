"""Classes of Ray Tune's in the place of a study's own scheduler and searcher."""

from collections.abc import Callable
from functools import partial

from pipeline.course.draws import Draw, own_draw
from pipeline.schedulers import RayScheduler, Scheduler, Setting
from pipeline.searchers import RaySearch
from pipeline.study import TuneJob

__all__ = ["draws_of", "scheduler_of", "unsaved"]


def scheduler_of(job: TuneJob) -> Callable[[Setting], Scheduler] | None:
    """What builds the scheduler of a job that names a class of Ray Tune's; None for one of ours.

    Building raises InvalidJob where the class cannot be used.
    """
    if not isinstance(job.scheduler, RayScheduler):
        return None
    # Ray is imported by whoever asks for a class of its own.
    from pipeline.execution.foreign_scheduler import ForeignScheduler

    return partial(ForeignScheduler, job.scheduler)


def draws_of(job: TuneJob) -> Draw | None:
    """What gives the configs of a job that names a searcher of Ray Tune's; None for one of ours.

    Raises:
        InvalidJob: The class cannot be used.
    """
    if not isinstance(job.searcher, RaySearch):
        return None
    from pipeline.execution.foreign_searcher import ForeignSearcher

    own, theirs, starts = own_draw(job), ForeignSearcher(job.searcher, job), len(job.start_with)
    return lambda index, trials: own(index, trials) if index < starts else theirs.draw(index, trials)


def unsaved(job: TuneJob) -> str | None:
    """What of a study cannot be saved, so that nobody can go on with it; None where it can be resumed."""
    kinds = [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]
    if not kinds:
        return None
    return f"what {' and '.join(kinds)} {'know' if len(kinds) > 1 else 'knows'} cannot be saved"
