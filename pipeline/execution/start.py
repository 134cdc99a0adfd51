"""What a session starts from: a new study, or the job and state of one that it resumes; and where its trials fit."""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias

from pipeline.code.functions import origin
from pipeline.errors import Fault, ResourcesUnmet, StorageError, StudyChanged, StudyExists, UsageError
from pipeline.machine import this_machine
from pipeline.space import flat
from pipeline.storage import Store, layout, unfinished
from pipeline.storage.schema import config_columns
from pipeline.storage.sessions import SessionRecord, describe_driver, driver_alive, read_sessions
from pipeline.study import TuneJob
from pipeline.study.files import (
    as_argument,
    check_output,
    contents,
    listed_entries,
    read_document,
    saved_job,
    study_copies,
)
from pipeline.study.job import FREE_FIELDS, FUNCTION_FIELDS, KEPT_FIELDS
from pipeline.text import counted, note, size

Node: TypeAlias = tuple[float, float, float]
"""What a node of a cluster gives to trials: CPUs, GPUs, bytes of memory."""


@dataclass(frozen=True, slots=True)
class SessionStart:
    """What a session starts from."""

    job: TuneJob
    saved: TuneJob | None = None
    last: SessionRecord | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    code_changes: Sequence[str] = ()

    @property
    def nothing_to_do(self) -> bool:
        """Whether the study has ended with its best model exported, and its budget is the same."""
        ended = self.last is not None and self.last.state == "ended" and not self.last.export_failure
        return ended and self.saved is not None and self.saved.budget == self.job.budget

    @property
    def state(self) -> Mapping[str, Any]:
        """The state of the trials that the last session has left; empty if it has left none."""
        return self.last.resume if self.last else {}


def session_start(job: TuneJob, store: Store, *, resume: bool, accept_changes: bool, take_over: bool) -> SessionStart:
    saved, last = last_session(store, job, resume=resume, take_over=take_over)
    if saved is None:
        return SessionStart(job, last=last)
    job, changes = reconciled(job, saved, store=store, accept_changes=accept_changes)
    start = SessionStart(job, saved, last, read_document(store), changes)
    if start.nothing_to_do:
        note(
            f"The study {job.name!r} has already ended. A larger budget continues it: `tunepipe resume` with --trials "
            "or --epochs (run(…, trials=…, resume=True)); another --name (name=…) starts a new one."
        )
    elif start.state.get("trials") and not saves_state(job):
        raise UsageError(
            f"The study {job.name!r} cannot be resumed: the state of Ray Tune's own schedulers and searchers cannot be "
            f"saved. Start another with --name, from its best configs with --start-from {job.name}."
        )
    return start


def saves_state(job: TuneJob) -> bool:
    """Whether a study can be resumed: not with a scheduler or a searcher of Ray Tune."""
    return job.scheduler.resumes and job.searcher.resumes


def last_session(
    store: Store, job: TuneJob, *, resume: bool, take_over: bool
) -> tuple[TuneJob | None, SessionRecord | None]:
    """A study's own job and its last session, whose driver has ended."""
    exists = store.exists(layout.STUDY)
    if not exists:
        _refuse_other_files(store)
    if exists and not resume:
        raise StudyExists(
            f"There is already a study {job.name!r} in {store.uri}. Resume it with --resume (in Python: "
            "resume=True), give the new one another name with --name (name=…), or delete it with `tunepipe delete`."
        )
    sessions = read_sessions(store, only_last=True, resume=True)
    last = sessions[-1] if sessions else None
    study = as_argument(store.uri)
    at_once = f"; `tunepipe resume {study} --take-over` does not wait"
    if last is not None and not take_over and driver_alive(store, last, at_once):
        raise StudyExists(
            f"The study {job.name!r} is already running: {describe_driver(last)}. Stop it: `tunepipe stop {study}`. "
            f"If that driver hangs or is lost, resume without it: `tunepipe resume {study} --take-over`."
        )
    if last is not None and take_over and last.state == "running":
        note(
            f"Session {last.number} is taken over: {describe_driver(last)}. If that driver is still alive, it ends "
            "without writing anything more."
        )
    return saved_job(store) if exists else None, last


def _refuse_other_files(store: Store) -> None:
    """Refuse a folder without a study.json that has files, except those of a driver that was killed while it began."""
    found = contents(store)
    late = [entry for entry in found.own if not (layout.is_beginning(entry.path) or unfinished(entry.path))]
    if others := [*late, *found.untracked]:
        raise StorageError(
            f"{store.uri} has files that belong to no study: {listed_entries(others)}. Nothing was changed: choose "
            "another --name or --storage."
        )
    if store.local is not None:
        check_output(store.local)


def surprises(job: TuneJob) -> Iterator[str]:
    """What the author of a job may not expect: functions that are in no file, and lists that are one value."""
    names = list(dict.fromkeys(each.__qualname__ for each in job.functions.values() if not origin(each).loadable))
    if names:
        yield (
            f"Not defined in a file that the study can copy: {', '.join(names)}. run(JOB, resume=True) resumes the "
            "study where the same functions are defined; `tunepipe resume` cannot."
        )
    for name, value in job.space.items():
        if isinstance(value, list | tuple) and len(value) > 1:
            yield f"{name} is a list, the same in every trial. Choice(…) draws one of its values."


def with_study_settings(job: TuneJob, store: Store, *, changed: Collection[str] = ()) -> TuneJob:
    """A job with the budget, resources and checkpoints of its study, if there is one, as a resume uses them."""
    if not store.exists(layout.STUDY):
        return job
    saved = saved_job(store)
    for name in KEPT_FIELDS:
        old, new = asdict(getattr(saved, name)), asdict(getattr(job, name))
        differing = [field for field in old if old[field] != new[field] and not {name, f"{name}.{field}"} & {*changed}]
        if other := [f"{field} {old[field]}, not {new[field]}" for field in differing]:
            note(f"The study keeps its own {name} unless an option changes it: {', '.join(other)}.")
    return job.replaced({name: getattr(saved, name) for name in (*KEPT_FIELDS, "description")})


def reconciled(
    job: TuneJob, saved: TuneJob, *, store: Store, accept_changes: bool = False
) -> tuple[TuneJob, Sequence[str]]:
    """The job that the next session runs, and in words the accepted changes of code and domains.

    Code that differs only in comments, layout, the job's arguments or its file's name is the same code; other changes
    are refused unless they are accepted.
    """
    # What the study's last session derived from its budget holds for the budget of the next one, too.
    saved = saved.resolved()
    copies = study_copies(store)
    imported = copies.changed_imports(job.functions.values())
    pairs = {path: (saved.functions[path], job.functions[path]) for path in saved.functions if path in job.functions}
    same = {path for path, (before, now) in pairs.items() if copies.same_code(before, now)}
    unchanged: dict[str, Any] = {}
    if _same_starts(job, saved):
        unchanged = {"start_from": saved.start_from, "start_with": saved.start_with}
    # Another version of tunepipe, or another budget, may recommend others than those that the study began with.
    unchanged |= {name: getattr(saved, name) for name in job.recommended}
    job = job.replaced(unchanged).resolved(saved)
    old, new = _by_path(saved), _by_path(job)
    same_columns = config_columns(flat(saved.space)) == config_columns(flat(job.space))
    accepted = [
        Fault(path, str(file), "is imported by the job, and must have the content that the study began with")
        for path, file in imported.items()
    ]
    others: list[Fault] = []
    for path in dict.fromkeys([*new, *old]):
        before: Any = old.get(path)
        now: Any = new.get(path)
        if path in FREE_FIELDS or path in same or before == now:
            continue
        if path in pairs:
            accepted.append(Fault(path, now["function"], "must be the code that the study began with"))
        elif path == "space":
            (accepted if same_columns else others).extend(
                Fault(f"space.{name}", now.get(name), f"must stay {before.get(name, 'left out')!r}")
                for name in dict.fromkeys([*before, *now])
                if name not in before or name not in now or before[name] != now[name]
            )
        else:
            function = path in saved.functions or path in job.functions or path in FUNCTION_FIELDS
            (accepted if function else others).append(Fault(path, now, f"must stay {before!r}"))
    if others or (accepted and not accept_changes):
        raise StudyChanged(f"the study {job.name!r}, to be resumed,", [*accepted, *others])
    return job, [f"{fault.field} has changed to {fault.found}" for fault in accepted]


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


def _same_starts(job: TuneJob, saved: TuneJob) -> bool:
    """Whether a job starts as its study did: configs of another study follow the job's own."""
    same = job.start_from in (None, saved.start_from)
    return saved.start_from is not None and same and saved.start_with[: len(job.start_with)] == job.start_with


# Which trials fit on the machines


def local_node() -> Node:
    """CPU cores and GPUs of this machine, counted without starting Ray or TensorFlow."""
    machine = this_machine()
    # A container with less than a core trains slowly, but it trains.
    return max(1.0, machine.cpus), float(len(machine.gpus)), math.inf


def fitting_workers(job: TuneJob, nodes: Sequence[Node]) -> int:
    """How many trials fit in parallel into some nodes: a trial trains on one of them."""
    if (why := no_node(job, nodes)) is not None:
        raise ResourcesUnmet(
            f"{why} Request less with --set resources.cpus=…, resources.gpus=… or resources.memory_gigabytes=…, or, "
            "where the cluster starts such nodes for trials that wait, say how many train in parallel with --workers."
        )
    return sum(job.resources.fit(*node) for node in nodes)


def no_node(job: TuneJob, nodes: Sequence[Node]) -> str | None:
    """Why no node can train a trial, as a sentence; None if one can."""
    need = job.resources
    if any(need.fit(*node) for node in nodes):
        return None
    cpus, gpus, memory = (max((node[kind] for node in nodes), default=0.0) for kind in range(3))
    wanted, most = "", ""
    if need.memory_gigabytes is not None and memory < math.inf:
        wanted, most = (f" and {size(count)} of memory" for count in (need.memory_gigabytes * 1e9, memory))
    return (
        f"A trial of {job.name!r} requests {counted(need.cpus, 'CPU')}, {counted(need.gpus, 'GPU')}{wanted}; a machine "
        f"has at most {counted(cpus, 'CPU')}, {counted(gpus, 'GPU')}{most}."
    )


def note_unused_gpus(job: TuneJob, nodes: Sequence[Node]) -> None:
    """Tell the user that trials train without the available GPUs, and how to use them."""
    gpus = sum(node[1] for node in nodes)
    if gpus and not job.resources.gpus:
        note(
            f"Found {counted(gpus, 'GPU')}, but trials of {job.name!r} request none and train on CPUs. "
            "--gpus-per-trial 1 gives each trial a GPU, 0.5 half the memory of one."
        )
