"""What a study begins with: the best configs of another one, where its job says so."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import Fault, InvalidJob
from pipeline.space import walk
from pipeline.storage import Store
from pipeline.study import TuneJob, layout

if TYPE_CHECKING:
    from pipeline.results.load import Results
    from pipeline.results.starts import Starts

__all__ = ["started_from", "with_starts"]


def started_from(job: TuneJob, storage: str | Path, note: Callable[[str], None]) -> TuneJob:
    """A job with the best configs of the study that it starts from among those it starts with.

    Args:
        job: The job.
        storage: Where its study is to lie. One that is there already goes on with what it started with.
        note: Is told which configs they are, and what of them does not fit.

    Raises:
        JobNotFound: There is no such study.
        InvalidJob: It has nothing to start with.
    """
    if job.start_from is None or Store(storage).folder(job.name).exists(layout.STUDY):
        return job
    return with_starts(job, storage, note)


def with_starts(job: TuneJob, storage: str | Path, note: Callable[[str], None]) -> TuneJob:
    """A job with the best configs of the study that it starts from, whether or not there is a study of its own.

    Args:
        job: The job.
        storage: Where the other study lies, unless it is named by its folder.
        note: Is told which configs they are, and what of them does not fit.

    Raises:
        JobNotFound: There is no such study.
        InvalidJob: It has nothing to start with.
    """
    source = job.start_from
    if source is None:
        return job
    from pipeline.results.load import load_results
    from pipeline.results.starts import best_starts

    named = "/" not in source.study
    results = load_results((Store(storage).folder(source.study) if named else Store(source.study)).uri)
    room = job.budget.trials - len(job.start_with)
    starts = best_starts(results, job.space, min(source.top, room), job.start_with)
    if not starts.configs and room > 0:
        raise InvalidJob(f"job {job.name!r}", [_nothing(job, results)])
    note(" ".join([_told(job, results, starts), *starts.told]))
    return job.replaced({"start_with": [*job.start_with, *starts.configs]})


def _nothing(job: TuneJob, results: "Results") -> Fault:
    if results.best is None:
        allowed = "must be a study in which a trial has a value already"
    else:
        names = ", ".join(place.path for place in walk(job.space) if place.drawn)
        allowed = (
            f"must be a study whose best configs have something of this space, and were not given: it draws {names}"
        )
    return Fault("start_from.study", results.name, allowed)


def _told(job: TuneJob, results: "Results", starts: "Starts") -> str:
    asked, count = job.start_from.top if job.start_from else 0, len(starts.trials)
    which = f"the {count} best configs" if count > 1 else "the best config" if count else "no config"
    whose = f" (trial{'s' if count > 1 else ''} {', '.join(starts.trials)})" if count else ""
    fewer = f"; {asked} were asked for, and there are no more, or no room in the budget" if count < asked else ""
    mine, theirs = job.objective, results.objective
    other = "" if mine == theirs else f" Best is what it judged by, {theirs.metric} ({theirs.mode})."
    return f"Starts with {which} of the study {results.name!r}{whose}{fewer}.{other}"
