"""Whether the classes of Ray Tune that a job names can be used."""

from pipeline.engine.scheduler_context import scheduler_context
from pipeline.errors import Fault, InvalidJob
from pipeline.execution.preflight.finding import Finding
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.study import TuneJob


def plugins_finding(job: TuneJob) -> Finding | None:
    """The finding about the classes of Ray Tune, which it builds; None if the job names none."""
    named = [part.kind for part in (job.scheduler, job.searcher) if not part.resumes]
    if not named:
        return None
    context = scheduler_context(job)
    faults: list[Fault] = []
    build = ray_scheduler(job)
    for attempt in (lambda: build and build(context), lambda: ray_draw(job)):
        try:
            attempt()
        except InvalidJob as error:
            faults += error.faults
    if faults:
        return Finding(
            "classes", "error", "; ".join(map(str, faults)), "Choose another one, or install its requirements."
        )
    return Finding("classes", "ok", f"{' and '.join(named)} can be used; they give no reasons for their decisions")
