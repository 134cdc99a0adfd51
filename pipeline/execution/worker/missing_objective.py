"""The message where the objective is not among the metrics that a trial reports."""

from collections.abc import Collection, Iterable

from pipeline.study import TuneJob
from pipeline.wording import closest


def missing_objective(job: TuneJob, metrics: Iterable[str]) -> str:
    """A message that the first objective is missing, with the metrics there are, and what to do."""
    metrics = list(metrics)
    source = "the metrics of the model" if job.function is None else "the metrics that the function reports"
    return (
        f"The objective {job.objective.metric!r} is not among {source}. There are: {', '.join(metrics)}. "
        f"{choose_objective(job, metrics)}"
    )


def choose_objective(job: TuneJob, metrics: Collection[str]) -> str:
    """What to do about a missing objective."""
    near = closest(job.objective.metric, metrics)
    meant = f"Did you mean {near!r}? " if near else ""
    if job.function is None:
        other = "compile the model with that metric"
    else:
        other = f'have the function yield or return it: {{"{job.objective.metric}": …}}'
    return f"{meant}Make one of them the objective (--set objectives.0.metric=NAME), or {other}."
