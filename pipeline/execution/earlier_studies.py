"""What a study takes from earlier ones: configs that it begins with, and trials from which it learns."""

from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import Fault, InvalidJob
from pipeline.notes import note
from pipeline.space import drawn_names
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.earlier_trials import EarlierTrials, read_earlier
from pipeline.text import by_count, counted, listed


def _located(study: str, storage: str | Path) -> Store:
    return Store(study) if "/" in study else Store(storage).folder(study)


def learned_from(job: TuneJob, storage: str | Path, *, resume: bool = False) -> Sequence[EarlierTrials]:
    """The trials of the studies from which a job learns; of a study that exists, those that it has copied."""
    own = Store(storage).folder(job.name)
    if job.learn_from and resume and own.exists(layout.STUDY):
        return read_earlier(own)
    from pipeline.results.analysis.earlier_studies import trials_to_learn_from
    from pipeline.results.tables.load import load_results

    learned = []
    for study in job.learn_from:
        found = trials_to_learn_from(load_results(_located(study, storage).uri), job, study)
        learned.append(found)
        which = f"{len(found.trials)} of {counted(found.of, 'trial')}"
        parts = [f"{found.outside} lie outside this space"] if found.outside else []
        if found.missing:
            count_as = by_count(len(found.missing), "counts", "count")
            parts.append(f"without {listed(found.missing)}, which {count_as} as drawn at random")
        if (found.metric, found.mode) != (job.objective.metric, job.objective.mode):
            parts.append(f"by its own objective, {found.metric} ({found.mode})")
        note(f"Learns from {which} of the study {study!r}{''.join(f'; {part}' for part in parts)}.")
    return learned


def warm_started(job: TuneJob, storage: str | Path, *, always: bool = False) -> TuneJob:
    """A job that begins with the best configs of the study that it starts from.

    It is unchanged where its own study exists, unless `always` is set.
    """
    source = job.start_from
    if source is None or (not always and Store(storage).folder(job.name).exists(layout.STUDY)):
        return job
    from pipeline.results.analysis.earlier_studies import warm_start_configs
    from pipeline.results.tables.load import load_results

    results = load_results(_located(source.study, storage).uri)
    room = job.budget.trials - len(job.start_with)
    found = warm_start_configs(results, job.space, min(source.top, room), job.start_with)
    if not found.configs and room > 0:
        names = ", ".join(drawn_names(job.space))
        allowed = f"must be a study with values, whose configs are not given yet, with hyperparameters of: {names}"
        raise InvalidJob(f"job {job.name!r}", [Fault("start_from.study", results.name, allowed)])
    own, theirs = job.objective, results.objective
    trials = f": {by_count(len(found.trials), 'trial', 'trials')} {', '.join(found.trials)}" if found.trials else ""
    which = f"{counted(len(found.trials), 'config')} of the study {results.name!r}{trials} ({source.top} requested)"
    other = "" if own == theirs else f" Best by its own objective, {theirs.metric} ({theirs.mode})."
    note(" ".join([f"Starts with {which}.{other}", *found.notes]))
    return job.replaced({"start_with": [*job.start_with, *found.configs]})
