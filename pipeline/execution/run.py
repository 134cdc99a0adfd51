"""Assemble a study, run it, resume it: `tunepipe run` and `pipeline.run`."""

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline import datasets
from pipeline.code.functions import origin
from pipeline.code.modules import end_loading
from pipeline.code.snapshot import first_of, snapshot_of
from pipeline.datasets import Dataset, differences
from pipeline.engine.trial import saved_state
from pipeline.errors import StorageError, UsageError
from pipeline.execution.capacity import default_workers, local_capacity, unused_gpus
from pipeline.execution.data import Loaded, loader
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.resume import SessionStart, session_start, unloadable_functions
from pipeline.execution.driver.session import Session
from pipeline.execution.driver.session_end import recording_end
from pipeline.execution.earlier_studies import warm_started
from pipeline.execution.in_process import run_in_process
from pipeline.execution.interrupts import Interrupts, interruptible, kept_process_state, one_study
from pipeline.execution.progress import Progress, notebook_progress
from pipeline.execution.provenance import command_line, provenance
from pipeline.execution.ray.cluster import address_of, check_reachable
from pipeline.execution.ray.on_ray import run_on_ray
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.storage import Store
from pipeline.storage.scratch import close_shared_folders
from pipeline.storage.sessions import heartbeat
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.files import STORAGE_WAIT_VARIABLE, default_storage, read_document, recorded_data, set_data, sweep
from pipeline.text import note, notes_to
from pipeline.training.process import refuse_other_keras

if TYPE_CHECKING:
    from pipeline.results.tables.load import Results

_POLL_SECONDS = 5.0


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
    display: Progress | None = None,
    note: Callable[[str], None] = print,
) -> "Results":
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
        take_over: Whether to resume although the driver of the last session may still be alive, which then ends without
            writing anything more.
        address: Address of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs; default: a progress line every ten seconds in a notebook, nothing in a
            script.
        note: Called with sentences for the user, for example that there are fewer trials than requested.

    Returns:
        The study's results, as `load_results` reads them.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set, or its driver is alive.
        UsageError: The study to resume uses a scheduler or a searcher of Ray Tune.
        StudyChanged: The job differs from that of the study to resume; says how.
        Superseded: Another driver has taken the study over.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: Ctrl-C or SIGTERM came; the tables are complete.
        UsageError: Another thread of this process runs a study.
        UserError: Another mistake that the user can fix: storage, data, model, resources.
    """
    from pipeline.results.tables.load import load_results

    end_loading()
    if not isinstance(job, TuneJob):
        raise UsageError(f"run() takes a TuneJob; found an object of type {type(job).__name__}.")
    given = {"name": name, "budget.trials": trials, "budget.epochs": epochs, "resources.workers": workers}
    if changes := {field: value for field, value in given.items() if value is not None}:
        job = job.replaced(changes)
    storage = default_storage() if storage is None else storage
    store = Store(storage).folder(job.name)
    with interruptible() as interrupts, notes_to(note):
        snapshot = snapshot_of(job.functions.values())
        copied = [root / path for root in snapshot.roots for path in snapshot.files if path.endswith(".py")]
        origin = provenance(job, [file for file in copied if file.is_file()])
        start = session_start(
            warm_started(job, storage), store, resume=resume, accept_changes=accept_changes, take_over=take_over
        )
        if start.finished:
            note(
                f"The study {job.name!r} is already finished. `tunepipe resume` with a larger --trials or --epochs "
                "continues it; another --name starts a new one."
            )
            return load_results(store.uri)
        # Mistakes are found before the session begins: a finished study stays finished where its data are missing.
        datasets.check_files(start.job.data)
        if start.job.model is not None:
            refuse_other_keras()
        cluster = address_of(address) if start.job.resources.workers != 0 else None
        if cluster is not None:
            check_reachable(cluster)
        # From here on the job is the study's: it names what was chosen for it.
        job = start.job.resolved()
        load = loader(job, recorded_data(start.document), accept_changes=accept_changes)
        facts = {"provenance": origin, "code_changes": start.code_changes}
        session = _session(job, start, store, facts, interrupts)
        new = start.saved is None
        if new:
            _note_surprises(job)
        with heartbeat(session.recorder.beat), recording_end(session, store, interrupts, new=new):
            with interrupts.defer_signals():
                # Take the session's number before anything else is written: of two drivers one ends here.
                session.begin()
            sweep(store)
            _save(job, start, store)
            if not new:
                # Commands that wait, such as a config to try next, come before the first draw.
                session.execute_commands(immediately=True)
            display = display or notebook_progress()
            with nullcontext() if display is None else display.watch(session):
                _train(session, store, load, interrupts, address)
        return load_results(store.uri)


def wait_for_storage(storage: str) -> None:
    """Wait until a storage answers, for five minutes if TUNEPIPE_STORAGE_WAIT is set; not at all by default.

    In a RayJob, the driver's next cluster would fail as well.
    """
    seconds, began = 300.0 if os.environ.get(STORAGE_WAIT_VARIABLE) else 0.0, time.monotonic()
    while True:
        try:
            Store(storage).exists(layout.STUDY)
        except StorageError as error:
            if time.monotonic() - began >= seconds:
                raise
            note(f"The driver waits for the storage for up to {seconds:g} s: {error}")
            time.sleep(_POLL_SECONDS)
        else:
            return


def _note_surprises(job: TuneJob) -> None:
    """Tell the user what a new study does that its job does not say."""
    for text in (unloadable_functions(job), job.recommendation):
        if text is not None:
            note(text)
    for name, value in job.space.items():
        if isinstance(value, list | tuple) and len(value) > 1:
            note(f"{name} is a list, the same in every trial. Choice(…) draws one of its values.")


def _session(
    job: TuneJob,
    start: SessionStart,
    store: Store,
    facts: Mapping[str, Any],
    interrupts: Interrupts,
) -> Session:
    """The session, restored from the state of the last one."""
    last = start.last
    recorder = Recorder(store, job, session=last["number"] + 1 if last else 1, last=last, facts=facts)
    session = Session(
        job,
        store,
        recorder,
        build_scheduler=ray_scheduler(job),
        draw=ray_draw(job),
        interrupts=interrupts,
    )
    if start.saved is not None and last is not None and start.state:
        try:
            session.restore(saved_state(start.state), epochs_before=start.saved.budget.epochs)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise StorageError(
                f"The study {job.name!r} cannot be resumed from the state of its trials in "
                f"{layout.session(last['number'])} ({type(error).__name__}: {error}). Restore the file, or start "
                "another study with --name."
            ) from error
    return session


def _save(job: TuneJob, start: SessionStart, store: Store) -> None:
    """Save the job and its code in the study's folder."""
    snapshot = snapshot_of(job.functions.values())
    if start.saved is None:
        if snapshot.files:
            note(f"source: {snapshot}")
        if snapshot.left_out:
            note(f"Not copied, because of their size: {first_of(snapshot.left_out)}.")
    arguments = command_line(sys.argv[1:]) if any(origin(each).in_script for each in job.functions.values()) else None
    save_study(store, job, snapshot=snapshot, before=start.document, arguments=arguments)


def _train(
    session: Session, store: Store, load: Callable[[], Loaded], interrupts: Interrupts, address: str | None
) -> None:
    """Train the trials of a session until the study has ended or is interrupted."""
    job = session.job
    load_data = cache(lambda: _recorded(session, store, load))
    try:
        if job.resources.workers != 0:
            if callable(job.data):
                # What is wrong with the data is then known before Ray starts.
                load_data()
            run_on_ray(session, store, load_data, interrupts, address=address)
            return
        cpus, gpus = local_capacity()
        default_workers(job, cpus, gpus)
        if (unused := unused_gpus(job, gpus)) is not None:
            note(unused)
        from pipeline.execution.worker.worker import Worker

        session.use_workers(1)
        worker = Worker(
            job,
            load_data(),
            store,
            session=session.lease.number,
            capture=False,
            stop_requested=lambda: interrupts.requested,
        )
        run_in_process(session, worker, interrupts)
    finally:
        # Those of workers that Ray has ended here, too.
        close_shared_folders()


def _recorded(session: Session, store: Store, load: Callable[[], Loaded]) -> Dataset | None:
    """Load the data, and record them."""
    data, fingerprint = load()
    recorded = recorded_data(read_document(store))
    if fingerprint is not None and fingerprint != recorded:
        session.lease.check()
        if recorded is not None:
            # Written before study.json, so that no end of this process loses it.
            session.recorder.facts["data_changes"] = differences(recorded, fingerprint)
            session.flush()
        set_data(store, fingerprint)
    return data
