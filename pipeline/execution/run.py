"""Assemble a study, run it, resume it: `tunepipe run` and `pipeline.run`."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from pipeline import datasets
from pipeline.errors import NotResumable, StorageError, UsageError
from pipeline.execution.data import loading
from pipeline.execution.driver.ending import recorded
from pipeline.execution.driver.learning import learned_from
from pipeline.execution.driver.progress import notebook_progress
from pipeline.execution.driver.provenance import Provenance, command_line
from pipeline.execution.driver.recorder import Recorder
from pipeline.execution.driver.resumability import unsaved_state
from pipeline.execution.driver.resume_checks import abandoned, last_session
from pipeline.execution.driver.resumed_job import code_changes, reconciled
from pipeline.execution.driver.session import Session
from pipeline.execution.driver.start_notes import start_notes
from pipeline.execution.driver.warm_start import warm_started, with_starts
from pipeline.execution.interrupts import Interrupts, interruptible
from pipeline.execution.outcome import Outcome
from pipeline.execution.process_state import kept_process_state
from pipeline.execution.ray.joining import address_of, check_reachable
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.session_training import train
from pipeline.storage import Store
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.contents import remove, sweep
from pipeline.study.copies import forget_copies
from pipeline.study.earlier_trials import write_earlier
from pipeline.study.files import read_document, recorded_data
from pipeline.study.function_source import from_study, in_script
from pipeline.study.load_module import end_loading
from pipeline.study.sources import sources_of
from pipeline.study.studies import default_storage
from pipeline.training.data import check_functions

__all__ = ["Display", "run"]


class Display(Protocol):
    """Shows a study while it runs."""

    def watch(self, session: Session) -> Any:
        """A context in which the session runs.

        Args:
            session: The session.

        Returns:
            A context manager; the display ends with its context.
        """


@kept_process_state()
def run(
    job: TuneJob,
    *,
    storage: str | Path | None = None,
    name: str | None = None,
    trials: int | None = None,
    epochs: int | None = None,
    workers: int | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    take_over: bool = False,
    address: str | None = None,
    display: Display | None = None,
    note: Callable[[str], None] = print,
) -> Outcome:
    """Run a study to its end.

    Args:
        job: The job.
        storage: The folder of studies, or a URI that every node reaches. Unless given: TUNEPIPE_STORAGE, or `studies`
            in the current folder.
        name: The study's name; the job's name unless given.
        trials: Number of trials; the job's unless given.
        epochs: The most epochs of a trial; the job's unless given.
        workers: Number of parallel workers, 0 for this process; the job's unless given.
        resume: Whether to resume the study of that name, if there is one; a finished study stays as it is. Budget,
            resources and checkpoints are the job's.
        accept_changes: Whether to resume although code, data or domains of the job have changed.
        take_over: Whether to resume although the driver of the last session may still be alive, or its file is damaged.
            That driver, if it is alive, ends without writing anything more.
        address: Address of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs; default: a progress line every ten seconds in a notebook, nothing in a
            script.
        note: Called with sentences for the user, for example that there are fewer trials than asked for.

    Returns:
        How the study ended.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set, or its driver is alive.
        NotResumable: The study to resume uses a scheduler or a searcher of Ray Tune.
        StudyChanged: The job differs from that of the study to resume; says how.
        Superseded: Another driver has taken the study over.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: Ctrl-C or SIGTERM came; the tables are complete.
        UserError: Another mistake that the user can fix: storage, data, model, resources.
    """
    end_loading()
    if not isinstance(job, TuneJob):
        raise UsageError(f"run() takes a TuneJob; found an object of type {type(job).__name__}.")
    given = {"name": name, "budget.trials": trials, "budget.epochs": epochs, "resources.workers": workers}
    if changes := {field: value for field, value in given.items() if value is not None}:
        job = job.replaced(changes)
    with interruptible() as interrupts:
        return _run(
            job,
            default_storage() if storage is None else storage,
            interrupts,
            resume=resume,
            accept_changes=accept_changes,
            take_over=take_over,
            address=address,
            display=display or notebook_progress(),
            note=note,
        )


def _run(
    job: TuneJob,
    storage: str | Path,
    interrupts: Interrupts,
    *,
    resume: bool,
    accept_changes: bool,
    take_over: bool,
    address: str | None,
    display: Display | None,
    note: Callable[[str], None],
) -> Outcome:
    store = Store(storage).folder(job.name)
    given = sources_of(job)
    provenance = Provenance(job, [source.file.resolve() for source in (*given.files, *given.data)])
    replaced = not resume and abandoned(store, note)
    job = with_starts(job, storage, note) if replaced else warm_started(job, storage, note)
    saved, last = (None, None) if replaced else last_session(store, job, resume=resume, note=note, take_over=take_over)
    before: Mapping[str, Any] = {}
    changed: Sequence[str] = ()
    if saved is not None:
        job = reconciled(job, saved, store=store, accept_changes=accept_changes)
        changed = code_changes(job, saved, store) if accept_changes else ()
        before = read_document(store)
        if not any(from_study(function) for function in job.functions.values()):
            # The study's copies were loaded for comparison; the job's own modules run.
            forget_copies()
            if accept_changes:
                before = {name: value for name, value in before.items() if name != "sources"}
    if last is not None and saved is not None and last["state"] == "finished" and saved.budget == job.budget:
        return Outcome(store, already=True)
    number, seconds = (last["number"] + 1, last["seconds"]) if last else (1, 0.0)
    state = _stored_state(job, last) if last and saved else {}
    # Before the session begins: a finished study stays finished where its data are missing.
    datasets.present(job.data)
    check_functions(job)
    if job.resources.workers != 0 and (cluster := address_of(address)) is not None:
        check_reachable(cluster)
    earlier = learned_from(job, storage, resume=saved is not None)
    notes = list(start_notes(job, saved, earlier))
    # From here on the job is the study's: it names what was chosen for it.
    job = job.settled()
    load = loading(job, recorded_data(before), accept_changes=accept_changes)
    if replaced:
        note(f"The existing study {job.name!r} has no epoch, and its driver has ended: the new study replaces it.")
        remove(store)
    recorder = Recorder(
        store,
        job,
        session=number,
        seconds_before=seconds,
        decided_before=state.get("decided", 0),
        provenance=provenance,
        code_changes=changed,
    )
    stdout = sys.stdout

    def note_while_training(text: str) -> None:
        # What is printed while Ray runs goes to a log.
        with redirect_stdout(stdout):
            note(text)

    session = Session(
        job,
        store,
        recorder,
        build_scheduler=ray_scheduler(job),
        draw=ray_draw(job),
        earlier=earlier,
        interrupts=interrupts,
        note=note_while_training,
    )
    if saved is not None and last is not None and state:
        _restore(session, last, saved)
    for text in notes:
        note(text)
    with recorded(session, store, interrupts, new=saved is None, note=note):
        with interrupts.defer_signals():
            # Take the session's number before anything else is written: of two drivers one ends here.
            session.begin()
        sweep(store)
        # Not the files as they were given: a study that resumes with its copies keeps them.
        sources = sources_of(job)
        if sources.files and saved is None:
            note(f"source: {sources}")
            if sources.uncopied:
                note(f"Not copied: {'; '.join(sources.uncopied)}.")
        if saved is None and earlier:
            # Before study.json, so that a study has what it learns from.
            write_earlier(store, earlier)
        arguments = command_line(sys.argv[1:]) if any(map(in_script, job.functions.values())) else None
        save_study(store, job, sources=sources, before=before, arguments=arguments)
        if saved is not None:
            # Commands that wait, such as a config to try next, come before the first draw.
            session.obey(at_once=True)
        with _displayed(display, session):
            train(session, store, load, interrupts, address=address, note=note)
    evaluation = session.final_evaluation
    return Outcome(store, message=session.end_reason, winner=evaluation.metrics or {}, warning=evaluation.warning)


def _stored_state(job: TuneJob, last: Mapping[str, Any]) -> Mapping[str, Any]:
    """The state of the trials that the last session has left; empty if it has left none."""
    state: Mapping[str, Any] = last["resume"] or {}
    if state.get("trials") and (why := unsaved_state(job)) is not None:
        raise NotResumable(
            f"The study {job.name!r} cannot be resumed: {why}. Start another with --name, from its best configs "
            f"with --start-from {job.name}; or use a scheduler and a searcher of tunepipe."
        )
    decided = state.get("decided", 0)
    if type(decided) is not int:
        raise _unusable(last, job, f"it decided {decided!r:.100}")
    return state


def _restore(session: Session, last: Mapping[str, Any], saved: TuneJob) -> None:
    try:
        session.restore(last["resume"], budget_before=saved.budget.epochs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _unusable(last, saved, f"{type(error).__name__}: {' '.join(str(error).split())}") from error


def _unusable(last: Mapping[str, Any], job: TuneJob, why: str) -> StorageError:
    return StorageError(
        f"The study {job.name!r} cannot be resumed from the state of its trials in {layout.session(last['number'])} "
        f"({why}). Restore the file, or start another study with --name."
    )


@contextmanager
def _displayed(display: Display | None, session: Session) -> Iterator[None]:
    if display is None:
        yield
        return
    with display.watch(session):
        yield
