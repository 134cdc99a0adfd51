"""Warm start: a study begins with the best configs of another one, where its job names it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import Fault, InvalidJob
from pipeline.space import walk
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.text import by_count

if TYPE_CHECKING:
    from pipeline.results.analysis.earlier_studies import WarmStart
    from pipeline.results.tables.load import Results


def warm_started(job: TuneJob, storage: str | Path, note: Callable[[str], None]) -> TuneJob:
    """A job that begins with the best configs of the study that it starts from; unchanged where its study exists."""
    if job.start_from is None or Store(storage).folder(job.name).exists(layout.STUDY):
        return job
    return with_starts(job, storage, note)


def with_starts(job: TuneJob, storage: str | Path, note: Callable[[str], None]) -> TuneJob:
    """A job that begins with the best configs of the study that it starts from, even where its own study exists."""
    source = job.start_from
    if source is None:
        return job
    from pipeline.results.analysis.earlier_studies import warm_start_configs
    from pipeline.results.tables.load import load_results

    named = "/" not in source.study
    results = load_results((Store(storage).folder(source.study) if named else Store(source.study)).uri)
    room = job.budget.trials - len(job.start_with)
    warm_start = warm_start_configs(results, job.space, min(source.top, room), job.start_with)
    if not warm_start.configs and room > 0:
        raise InvalidJob(f"job {job.name!r}", [_no_config(job, results)])
    note(" ".join([_summary(job, results, warm_start), *warm_start.notes]))
    return job.replaced({"start_with": [*job.start_with, *warm_start.configs]})


def _no_config(job: TuneJob, results: "Results") -> Fault:
    if results.best is None:
        allowed = "must be a study in which a trial has a value already"
    else:
        names = ", ".join(parameter.path for parameter in walk(job.space) if parameter.drawn)
        allowed = (
            f"must be a study whose best configs are not given already, and have hyperparameters of this space: {names}"
        )
    return Fault("start_from.study", results.name, allowed)


def _summary(job: TuneJob, results: "Results", warm_start: "WarmStart") -> str:
    asked, count = job.start_from.top if job.start_from else 0, len(warm_start.trials)
    which = f"the {count} best configs" if count > 1 else "the best config" if count else "no config"
    trials = f" ({by_count(count, 'trial', 'trials')} {', '.join(warm_start.trials)})" if count else ""
    fewer = (
        f"; {asked} were requested, but there are no more, or the budget has no room for them" if count < asked else ""
    )
    own, theirs = job.objective, results.objective
    other = "" if own == theirs else f" Best by its own objective, {theirs.metric} ({theirs.mode})."
    return f"Starts with {which} of the study {results.name!r}{trials}{fewer}.{other}"
