"""Assemble a study, run it, resume it: `tunepipe run` and `pipeline.run`."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from pipeline import datasets
from pipeline.code import end_loading, snapshot_of
from pipeline.engine.saved_state import saved_state
from pipeline.errors import UsageError
from pipeline.execution.data import start_loading
from pipeline.execution.driver.earlier_studies import learned_from
from pipeline.execution.driver.progress import notebook_progress
from pipeline.execution.driver.provenance import Provenance
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.resume import SessionStart, replace_abandoned, session_start, unusable_state
from pipeline.execution.driver.session import Session
from pipeline.execution.driver.session_end import recording_end
from pipeline.execution.driver.start_notes import arguments_of_script, other_arguments, start_notes
from pipeline.execution.interrupts import Interrupts, interruptible
from pipeline.execution.notes import notes_to
from pipeline.execution.outcome import Outcome
from pipeline.execution.process_state import kept_process_state, one_study
from pipeline.execution.ray.cluster import address_of, check_reachable, memory_for_rows_on_nodes
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.session_training import train
from pipeline.storage import Store
from pipeline.storage.lease import heartbeat
from pipeline.study import TuneJob, save_study
from pipeline.study.contents import sweep
from pipeline.study.earlier_trials import EarlierTrials, write_earlier
from pipeline.study.files import recorded_data
from pipeline.study.studies import default_storage
from pipeline.training.process import refuse_other_keras


class Display(Protocol):
    """Shows a study while it runs."""

    def watch(self, session: Session) -> Any:
        """A context in which the session runs."""


@one_study()
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
        epochs: The maximum number of epochs of a trial; the job's unless given.
        workers: Number of parallel workers, 0 for this process; the job's unless given.
        resume: Whether to resume the study of that name, if there is one; a finished study stays as it is unless the
            budget changes. Budget, resources and checkpoints are the job's.
        accept_changes: Whether to resume although code, data or domains of the job have changed.
        take_over: Whether to resume although the driver of the last session may still be alive, or its file is damaged.
            That driver, if it is alive, ends without writing anything more.
        address: Address of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs; default: a progress line every ten seconds in a notebook, nothing in a
            script.
        note: Called with sentences for the user, for example that there are fewer trials than requested.

    Returns:
        How the study ended.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set, or its driver is alive.
        NotResumable: The study to resume uses a scheduler or a searcher of Ray Tune.
        StudyChanged: The job differs from that of the study to resume; says how.
        Superseded: Another driver has taken the study over.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: Ctrl-C or SIGTERM came; the tables are complete.
        UsageError: Another thread of this process runs a study.
        UserError: Another mistake that the user can fix: storage, data, model, resources.
    """
    end_loading()
    if not isinstance(job, TuneJob):
        raise UsageError(f"run() takes a TuneJob; found an object of type {type(job).__name__}.")
    given = {"name": name, "budget.trials": trials, "budget.epochs": epochs, "resources.workers": workers}
    if changes := {field: value for field, value in given.items() if value is not None}:
        job = job.replaced(changes)
    with interruptible() as interrupts, notes_to(note):
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
    snapshot = snapshot_of(job.functions.values())
    copied = [root / path for root in snapshot.roots for path in snapshot.files if path.endswith(".py")]
    provenance = Provenance(job, [file for file in copied if file.is_file()])
    start = session_start(
        job, store, storage, resume=resume, accept_changes=accept_changes, take_over=take_over, note=note
    )
    if start.finished:
        if (unused := start.changes_without_effect) is not None:
            note(unused)
        return _finished_before(store, start)
    # Before the session begins: a finished study stays finished where its data are missing.
    datasets.check_files(start.job.data)
    if start.job.model is not None:
        refuse_other_keras()
    cluster = address_of(address) if start.job.resources.workers != 0 else None
    if cluster is not None:
        check_reachable(cluster)
    earlier = learned_from(start.job, storage, resume=start.saved is not None)
    notes = [*start_notes(start.job, start.saved, earlier)]
    # From here on the job is the study's: it names what was chosen for it.
    start = replace(start, job=start.job.resolved())
    load = start_loading(
        start.job,
        recorded_data(start.document),
        accept_changes=accept_changes,
        memory_on_cluster=None if cluster is None else memory_for_rows_on_nodes,
    )
    if start.replaces:
        replace_abandoned(store, start.job, note)
    session = _session(start, store, provenance, earlier, interrupts)
    for text in notes:
        note(text)
    new = start.saved is None
    with heartbeat(session.recorder.beat), recording_end(session, store, interrupts, new=new, note=note):
        with interrupts.defer_signals():
            # Take the session's number before anything else is written: of two drivers one ends here.
            session.begin()
        sweep(store)
        _save(start, store, earlier, note)
        if not new:
            # Commands that wait, such as a config to try next, come before the first draw.
            session.execute_commands(immediately=True)
        with _display_context(display, session):
            train(session, store, load, interrupts, address=address, note=note)
    evaluation = session.final_evaluation
    return Outcome(store, message=session.end_reason, winner=evaluation.metrics, warning=evaluation.warning)


def _finished_before(store: Store, start: SessionStart) -> Outcome:
    """The outcome of a study that had been finished before, as its last session recorded it."""
    from pipeline.results.tables.load import load_results

    last, test = start.last or {}, load_results(store.uri).test
    return Outcome(
        store, finished_before=True, message=last["message"], winner=test or {}, warning=last["winner_failure"] or None
    )


def _session(
    start: SessionStart,
    store: Store,
    provenance: Provenance,
    earlier: Sequence[EarlierTrials],
    interrupts: Interrupts,
) -> Session:
    """The session, restored from the state of the last one."""
    job, last = start.job, start.last
    recorder = Recorder(
        store,
        job,
        session=last["number"] + 1 if last else 1,
        last=last,
        provenance=provenance,
        code_changes=start.code_changes,
    )
    session = Session(
        job,
        store,
        recorder,
        build_scheduler=ray_scheduler(job),
        draw=ray_draw(job),
        earlier=earlier,
        interrupts=interrupts,
    )
    if start.saved is not None and last is not None and start.state:
        _restore(session, last, start.saved)
    return session


def _save(start: SessionStart, store: Store, earlier: Sequence[EarlierTrials], note: Callable[[str], None]) -> None:
    """Save the job, its code and what it learns from in the study's folder."""
    job, new = start.job, start.saved is None
    snapshot = snapshot_of(job.functions.values())
    if snapshot.files and new:
        note(f"source: {snapshot}")
        if snapshot.left_out:
            note(f"Not copied, because of their size: {snapshot.not_copied}.")
    if new and earlier:
        # Before study.json, so that a study has what it learns from.
        write_earlier(store, earlier)
    arguments = arguments_of_script(job)
    if not new and (changed := other_arguments(start.document, arguments)) is not None:
        note(changed)
    save_study(store, job, snapshot=snapshot, before=start.document, arguments=arguments)


def _restore(session: Session, last: Mapping[str, Any], saved: TuneJob) -> None:
    try:
        session.restore(saved_state(last["resume"]), epochs_before=saved.budget.epochs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise unusable_state(last, saved, f"{type(error).__name__}: {' '.join(str(error).split())}") from error


@contextmanager
def _display_context(display: Display | None, session: Session) -> Iterator[None]:
    if display is None:
        yield
        return
    with display.watch(session):
        yield
