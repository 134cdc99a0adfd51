"""Whether classes of Ray Tune's that a job names can be used."""

from pipeline.errors import Fault, InvalidJob
from pipeline.execution.preflight.finding import Finding
from pipeline.execution.sources import draws_of, scheduler_of
from pipeline.schedulers import Setting
from pipeline.study import TuneJob

__all__ = ["classes_finding"]


def classes_finding(job: TuneJob) -> Finding | None:
    """What comes of building them; None where the job names none.

    Args:
        job: The study's job.
    """
    named = [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]
    if not named:
        return None
    setting = Setting(job.space, job.objective.mode, job.budget.epochs, job.budget.trials, job.seed)
    faults: list[Fault] = []
    build = scheduler_of(job)
    for attempt in (lambda: build and build(setting), lambda: draws_of(job)):
        try:
            attempt()
        except InvalidJob as error:
            faults += error.faults
    if faults:
        return Finding("classes", "fault", "; ".join(map(str, faults)), "Take another one, or install what it needs.")
    return Finding("classes", "ok", f"{' and '.join(named)} can be used; no reasons are told for what they decide")
