"""Warnings about pairs of scheduler and searcher, and about those that look at one of several objectives."""

from collections.abc import Mapping

from pipeline.execution.preflight.finding import Finding
from pipeline.schedulers import FIFO
from pipeline.searchers import RaySearch
from pipeline.study import TuneJob
from pipeline.wording import by_count, capitalized

_COMPUTE: Mapping[tuple[str, str], str] = {
    ("asha", "gp"): "1.14",
    ("promoting-asha", "gp"): "at least 1.25",
    ("halving", "gp"): "1.20",
    ("median", "gp"): "1.19",
}
"""Pairs that need more than 1.1 times the epochs of random draws under the same scheduler for an answer as good: the
median over the six recorded development tables of tests/benchmarks/answers with 1 worker. Its README has the intervals.
"""


def pair_finding(job: TuneJob) -> Finding | None:
    """A warning if the job's pair is known to need more epochs than random draws; otherwise None."""
    scheduler, searcher = job.scheduler.kind, job.searcher.kind
    compute = _COMPUTE.get((scheduler, searcher))
    if compute is None:
        return None
    found = (
        f"In recorded studies, {searcher} with {scheduler} needed {compute} times the epochs of random draws for a "
        "config as good (the median of six)"
    )
    return Finding(
        "search", "warning", found, "Use --search curves with --scheduler promoting-asha, or --search random."
    )


def objectives_finding(job: TuneJob) -> Finding | None:
    """A warning if the scheduler or the searcher looks at the first of several objectives alone, or at no bounds."""
    bounds = any(objective.bounded for objective in job.objectives)
    if len(job.objectives) < 2 and not bounds:
        return None
    compared = [
        name for name in ("scheduler",) if not (job.scheduler.every_objective or isinstance(job.scheduler, FIFO))
    ]
    learning = job.searcher.learns or isinstance(job.searcher, RaySearch)
    compared += ["searcher"] if learning and not job.searcher.every_objective else []
    if not compared:
        return None
    named = " and ".join(f"the {name} {getattr(job, name).kind}" for name in compared)
    verb = by_count(len(compared), "uses", "use")
    only = f"only the first objective, {job.objective.metric}" if len(job.objectives) > 1 else "no bounds"
    return Finding(
        "search",
        "warning",
        f"{capitalized(named)} {verb} {only}",
        "Use --scheduler promoting-moasha (moasha for a function without state) and --search motpe or nsga2, or leave "
        "both out.",
    )
