"""What a study takes from earlier ones: configs that it begins with, and trials from which it learns."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import Fault, InvalidJob
from pipeline.space import walk
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.earlier_trials import EarlierTrials, read_earlier
from pipeline.text import by_count, counted, listed

if TYPE_CHECKING:
    from pipeline.results.analysis.earlier_studies import WarmStart
    from pipeline.results.tables.load import Results


def learned_from(job: TuneJob, storage: str | Path, *, resume: bool = False) -> Sequence[EarlierTrials]:
    """The trials of the studies from which a job learns."""
    if not job.learn_from:
        return ()
    own = Store(storage).folder(job.name)
    if resume and own.exists(layout.STUDY):
        return read_earlier(own)
    from pipeline.results.analysis.earlier_studies import trials_to_learn_from
    from pipeline.results.tables.load import load_results

    learned = []
    for study in job.learn_from:
        store = Store(study) if "/" in study else Store(storage).folder(study)
        learned.append(trials_to_learn_from(load_results(store.uri), job, study))
    return learned


def learning_in_words(job: TuneJob, earlier: Sequence[EarlierTrials]) -> str:
    """How many trials of which study a job learns from, in sentences."""
    return " ".join(_study_in_words(job, study) for study in earlier)


def _study_in_words(job: TuneJob, study: EarlierTrials) -> str:
    count = len(study.trials)
    which = counted(count, "trial") if count == study.of else f"{count} of {counted(study.of, 'trial')}"
    parts = [f"{study.outside} lie outside this space"] if study.outside else []
    if study.missing:
        count_as = by_count(len(study.missing), "counts", "count")
        parts.append(f"without {listed(study.missing)}, which {count_as} as drawn at random")
    if (study.metric, study.mode) != (job.objective.metric, job.objective.mode):
        parts.append(f"by its own objective, {study.metric} ({study.mode})")
    return f"Learns from {which} of the study {study.study!r}{''.join(f'; {part}' for part in parts)}."


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
