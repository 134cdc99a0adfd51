"""What a command line changes of a job, and the job with these changes."""

import json
from typing import TYPE_CHECKING, Any

from pipeline.cli.console import note
from pipeline.errors import Fault, InvalidJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.space import Config
    from pipeline.storage import Store
    from pipeline.study import TuneJob


def assignments(pairs: list[str], option: str = "--set") -> dict[str, Any]:
    """`--set` arguments as fields of a job, or other pairs of names and values."""
    changes: dict[str, Any] = {}
    for pair in pairs:
        field, equals, text = pair.partition("=")
        if not equals or not field:
            raise InvalidJob("the command line", [Fault(option, pair, "must be field=value, for example space.lr=0.1")])
        try:
            changes[field.strip()] = json.loads(text)
        except (ValueError, RecursionError):
            changes[field.strip()] = text
    return changes


def limits(
    trials: int | None, epochs: int | None, total_epochs: int | None, seconds: float | None, workers: int | None
) -> dict[str, Any]:
    """The options that may change between the sessions of a study, as fields of a job; None if one is not given."""
    return {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "resources.workers": workers,
    }


def changes_of(given: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    """The given options and `--set` as changes of a job."""
    return {**{field: value for field, value in given.items() if value is not None}, **assignments(fields or [])}


def job_of(name: str, changes: dict[str, Any], storage: str, *, resume: bool, library: str | None = None) -> "TuneJob":
    """The job that a command line names, with the changes of its options."""
    if library is None:
        import tune_jobs

        job = tune_jobs.find(name)
    else:
        from pipeline.adapters import from_file, left_to_changes

        given = {field: value for field, value in changes.items() if "." not in field}
        prefix = "resources."
        resources = {field.removeprefix(prefix): value for field, value in changes.items() if field.startswith(prefix)}
        given |= {"resources": resources} if resources else {}
        # A program may say how each of its trials begins, so it must know how many there are.
        if "budget" not in given and "budget.trials" in changes:
            given["budget"] = {"trials": changes["budget.trials"]}
        job = from_file(name, library, given, note)
        own = left_to_changes(job, changes)
        changes = own | changes
    if resume:
        from pipeline.execution.driver.resumed_job import with_study_settings
        from pipeline.storage import Store

        study = job.replaced({"name": changes.get("name", job.name)})
        store = Store(storage).folder(study.name)
        # The file's start configs may need the number of trials of the command line, not that of the study.
        starts = changes.get("start_with", job.start_with)
        job = job.replaced({"start_with": []})
        if library is not None and "start_with" not in given:
            starts = _starts_of_study(starts, job, store, changes.get("budget.trials"))
        changes = changes | {"start_with": starts}
        job = with_study_settings(job, store, note, changed=changes)
    return job.replaced(changes)


def _starts_of_study(
    starts: "Sequence[Config]", job: "TuneJob", store: "Store", trials: int | None
) -> "Sequence[Config]":
    """How the trials of a program's study begin: as before, and further ones as the program says if
    that is possible.
    """
    from pipeline.execution.driver.resumed_job import only_appended
    from pipeline.storage.sessions import read_sessions
    from pipeline.study import layout, load_study

    if not store.exists(layout.STUDY):
        return starts
    saved = load_study(store, here=job.functions.values(), placeholders=True)
    both = min(len(starts), len(saved.start_with))
    if not both or list(starts[:both]) != list(saved.start_with[:both]):
        return starts
    fitting = starts[: saved.budget.trials if trials is None else trials]
    last = read_sessions(store, only_last=True, resume=True)
    if only_appended(fitting, saved, last[-1] if last else None):
        return fitting
    if len(starts) != len(saved.start_with):
        note(f"The study keeps its own start_with: {len(saved.start_with)} configs, not {len(starts)}.")
    return saved.start_with
