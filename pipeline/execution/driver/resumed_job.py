"""The job with which a study is resumed, and its differences from the job that the study saved."""

import difflib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.code import ChangedFile, changed_files, module_of, same_code, source_of
from pipeline.errors import Fault, StudyChanged
from pipeline.space import Config, flat
from pipeline.storage import Store
from pipeline.storage.schema import config_columns
from pipeline.study import TuneJob, layout, load_study
from pipeline.study.files import recorded_sources
from pipeline.study.job import FUNCTION_FIELDS
from pipeline.study.trial_configs import start_configs
from pipeline.text import format_number

_STUDY_SETTINGS = ("budget", "resources", "checkpoints", "description")
"""What a study keeps from one session to the next, unless an option changes it."""

_LIMITS = ("trials", "epochs", "total_epochs", "seconds")

_FREE = (*_STUDY_SETTINGS, "name")
"""What may change; the name changes where a study's folder was copied or renamed."""

_SHOWN_LINES = 40

_START_ADVICE = "; more can be appended before the searcher draws a trial; `tunepipe enqueue` adds a config at any time"


def with_study_settings(
    job: TuneJob, store: Store, note: Callable[[str], None], *, changed: Collection[str] = ()
) -> TuneJob:
    """A job with the budget, resources and checkpoints of its study, if there is one, as a resume uses them."""
    if not store.exists(layout.STUDY):
        return job
    saved = load_study(store, here=job.functions.values(), placeholders=True)
    for name in _STUDY_SETTINGS[:-1]:
        old, new = asdict(getattr(saved, name)), asdict(getattr(job, name))
        differing = [field for field in old if old[field] != new[field] and f"{name}.{field}" not in changed]
        if other := [f"{field} {old[field]}, not {new[field]}" for field in differing]:
            note(f"The study keeps its own {name} unless an option changes it: {', '.join(other)}.")
    return job.replaced({name: getattr(saved, name) for name in _STUDY_SETTINGS})


def reconciled(
    job: TuneJob,
    saved: TuneJob,
    *,
    store: Store | None = None,
    accept_changes: bool = False,
    last: Mapping[str, Any] | None = None,
) -> TuneJob:
    """The job that the next session runs.

    Code that differs only in comments, layout or its file's name is the same code: the study's copy is used.
    """
    # What the study's last session derived from its budget holds for the budget of the next one, too.
    saved = saved.resolved()
    imported = [] if store is None else _changed_imports(job, saved, store)
    unchanged: dict[str, Any] = {
        path: before for path, before, now in _code_pairs(saved, job) if not imported and _same(before, now)
    }
    if _same_starts(job, saved):
        unchanged |= {"start_from": saved.start_from, "start_with": saved.start_with}
    if not job.learn_from:
        unchanged["learn_from"] = saved.learn_from
    # Another version of tunepipe, or another budget, may recommend others than those that the study began with.
    unchanged |= {name: getattr(saved, name) for name in job.recommended}
    job = job.replaced(unchanged).resolved(saved)
    old, new = _by_path(saved), _by_path(job)
    faults = [] if accept_changes else [_import_fault(file) for file in imported]
    for path in dict.fromkeys([*new, *old]):
        before: Any = old.get(path)
        now: Any = new.get(path)
        if path in _FREE or before == now:
            continue
        if path == "start_with" and only_appended(job.start_with, saved, last):
            continue
        is_code = path in saved.functions or path in job.functions
        if accept_changes and (is_code or path in FUNCTION_FIELDS or (path == "space" and _same_columns(saved, job))):
            continue
        if path == "space":
            faults += _space_faults(before, now)
        elif path in saved.functions and path in job.functions:
            faults.append(Fault(path, now["function"], "must be the code that the study began with"))
        else:
            advice = _START_ADVICE if path == "start_with" else ""
            faults.append(Fault(path, now, f"must stay {before!r}{advice}"))
    if faults:
        changed = _difference(saved, job, imported)
        raise StudyChanged(f"the study {job.name!r}, to be resumed,", faults, changed, typed=not job.resumable)
    return job


def code_changes(job: TuneJob, saved: TuneJob, store: Store) -> list[str]:
    """How the code and the domains of a job differ from those of its study, in words; empty if they do not."""
    functions: dict[str, list[str]] = {}
    for _, before, now in _code_pairs(saved, job):
        if not _same(before, now):
            file = "" if source_of(now) is None else f"{module_of(now)}.py"
            functions.setdefault(file, []).append(now.__name__)
    changes = [
        f"{f'{file}, which defines ' if file else ''}{' and '.join(dict.fromkeys(names))}"
        f"{',' if file else ''} has different code"
        for file, names in functions.items()
    ]
    changes += [f"{file.path} has different content" for file in _changed_imports(job, saved, store)]
    old, new = _by_path(saved), _by_path(job)
    for path in dict.fromkeys([*new, *old]):
        both = path in saved.functions and path in job.functions
        if (path in saved.functions or path in job.functions) and not both:
            changes.append(
                f"{path} is {_function_or_value(new.get(path))} instead of {_function_or_value(old.get(path))}"
            )
    drawn = {name: (old["space"].get(name), new["space"].get(name)) for name in new["space"]}
    changes += [f"{name} is {now} instead of {before}" for name, (before, now) in drawn.items() if before != now]
    return changes


def only_appended(starts: Sequence[Config], saved: TuneJob, last: Mapping[str, Any] | None) -> bool:
    """Whether start configs are those of a study and further ones, which its next trials can begin with.

    Later ones would change the number of each draw, so that a config could be drawn twice.
    """
    if saved.start_from is not None or list(starts[: len(saved.start_with)]) != list(saved.start_with):
        return False
    trials = ((last or {}).get("resume") or {}).get("trials", ())
    return sum(not trial.get("enqueued") for trial in trials) <= len(start_configs(saved))


def smaller_budget(job: TuneJob, saved: TuneJob) -> str | None:
    """Which limits of the budget are lower than before, as a note; None if none is."""
    pairs = [(name, getattr(job.budget, name), getattr(saved.budget, name)) for name in _LIMITS]
    lower = [
        f"{name} {format_number(now)} instead of {'no limit' if before is None else format_number(before)}"
        for name, now, before in pairs
        if now is not None and (before is None or now < before)
    ]
    if not lower:
        return None
    return (
        f"The study resumes with a smaller budget than before: {', '.join(lower)}. Results beyond this budget are kept."
    )


def _by_path(job: TuneJob) -> dict[str, Any]:
    """A job as JSON values by field; the fields of parts that hold functions by their dotted path."""
    fields = job.to_json()
    fit = {f"fit.{name}": value for name, value in fields.pop("fit").items()}
    phases = {
        f"phases.{place}.{name}": value
        for place, phase in enumerate(fields.pop("phases"))
        for name, value in phase.items()
    }
    return {**fields, **fit, **phases}


def _code_pairs(saved: TuneJob, job: TuneJob) -> list[tuple[str, Any, Any]]:
    """The functions that both jobs have in the same field, with the field's dotted path."""
    return [(path, before, job.functions[path]) for path, before in saved.functions.items() if path in job.functions]


def _function_or_value(value: Any) -> str:
    return str(value["function"]) if isinstance(value, Mapping) and "function" in value else str(value)


def _same(saved: Any, now: Any) -> bool:
    return same_code(saved, now) if callable(saved) and callable(now) else False


def _changed_imports(job: TuneJob, saved: TuneJob, store: Store) -> list[ChangedFile]:
    """The files that the modules of the job's functions have imported and that have changed."""
    recorded = recorded_sources(store)
    modules = {recorded.path_of(module_of(function)) for each in (job, saved) for function in each.functions.values()}
    changed = changed_files(job.functions.values(), recorded, lambda path: store.read(layout.source(path)))
    return [file for file in changed if file.path not in modules]


def _import_fault(file: ChangedFile) -> Fault:
    allowed = "is imported by the job, and must have the content that the study began with"
    return Fault(file.path, str(file.file), allowed)


def _same_starts(job: TuneJob, saved: TuneJob) -> bool:
    """Whether a job starts as its study did: configs of another study follow the job's own."""
    same = job.start_from in (None, saved.start_from)
    return saved.start_from is not None and same and saved.start_with[: len(job.start_with)] == job.start_with


def _same_columns(saved: TuneJob, job: TuneJob) -> bool:
    return config_columns(flat(saved.space)) == config_columns(flat(job.space))


def _space_faults(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Fault]:
    names = [*old, *(name for name in new if name not in old)]
    return [
        Fault(
            f"space.{name}",
            new.get(name, "nothing"),
            f"must stay {old[name]!r}" if name in old else "must be left out: the study has no such hyperparameter",
        )
        for name in names
        if old.get(name) != new.get(name) or (name in old) != (name in new)
    ]


def _difference(saved: TuneJob, job: TuneJob, imported: Sequence[ChangedFile]) -> str:
    """The changes in the sources of the functions that differ, as a unified diff; each file once."""
    pairs = {(file.before, file.now): (file.path, file.path) for file in imported}
    for _, before, after in _code_pairs(saved, job):
        source, changed = source_of(before), source_of(after)
        if source is not None and changed is not None and not _same(before, after):
            pairs[source, changed] = f"{before.__module__}.py", f"{after.__module__}.py"
    lines: list[str] = []
    for (old, new), (before, after) in pairs.items():
        a, b = (text.decode(errors="replace").splitlines() for text in (old, new))
        lines += difflib.unified_diff(a, b, f"the study's {before}", after, lineterm="", n=1)
    rest = [f"… and {len(lines) - _SHOWN_LINES} more lines"] if len(lines) > _SHOWN_LINES else []
    return "\n".join(lines[:_SHOWN_LINES] + rest)
