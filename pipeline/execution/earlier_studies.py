"""What a study takes from an earlier one: configs that it begins with."""

from pathlib import Path

from pipeline.errors import Fault, InvalidJob
from pipeline.space import drawn_names
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.text import counted, note


def _located(study: str, storage: str | Path) -> Store:
    return Store(study) if "/" in study else Store(storage).folder(study)


def warm_started(job: TuneJob, storage: str | Path, *, always: bool = False) -> TuneJob:
    """A job that begins with the best configs of the study that it starts from.

    It is unchanged where its own study exists, unless `always` is set.
    """
    source = job.start_from
    if source is None or (not always and Store(storage).folder(job.name).exists(layout.STUDY)):
        return job
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import warm_start_configs

    results = load_results(_located(source.study, storage).uri)
    room = job.budget.trials - len(job.start_with)
    found = warm_start_configs(results, job.space, min(source.top, room), job.start_with)
    if not found.configs and room > 0:
        names = ", ".join(drawn_names(job.space))
        allowed = f"must be a study with values, whose configs are not given yet, with hyperparameters of: {names}"
        raise InvalidJob(f"job {job.name!r}", [Fault("start_from.study", results.name, allowed)])
    of = f": {', '.join(found.trials)}" if found.trials else ""
    which = f"{counted(len(found.trials), 'config')} of the study {results.name!r}{of} ({source.top} requested)"
    note(" ".join([f"Starts with {which}.", *found.notes]))
    return job.replaced({"start_with": [*job.start_with, *found.configs]})
