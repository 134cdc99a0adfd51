"""A study from its start to its end, or from where its last session has ended."""

import os
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

from pydantic import ValidationError

from pipeline import datasets
from pipeline.code.functions import origin
from pipeline.code.snapshot import Snapshot, first_of, snapshot_of
from pipeline.datasets import Dataset
from pipeline.engine.trial import SAVED_STATE, Trial
from pipeline.errors import DataError, Interrupted, NoTrialSucceeded, StorageError, Superseded, TunepipeError, UserError
from pipeline.execution.driver.record import Recorder
from pipeline.execution.driver.session import Session
from pipeline.execution.in_process import run_in_process
from pipeline.execution.interrupts import Interrupts
from pipeline.execution.progress import Progress, notebook_progress
from pipeline.execution.provenance import command_line, provenance
from pipeline.execution.ray.cluster import reachable_address
from pipeline.execution.ray.on_ray import run_on_ray
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.execution.start import SessionStart, saves_state, session_start, surprises
from pipeline.storage import Store, layout
from pipeline.storage.scratch import close_shared_folders
from pipeline.storage.sessions import first_fault, heartbeat
from pipeline.study import TuneJob, save_study
from pipeline.study.files import STORAGE_WAIT_VARIABLE, as_argument, recorded_data, remove, set_data, sweep
from pipeline.study.trial_configs import all_tried
from pipeline.text import hide_numbers, note
from pipeline.training.data import load_data
from pipeline.training.process import refuse_other_keras

_POLL_SECONDS = 5.0
_CAUSES, _LINES = 3, 40
"""How many causes of failure are shown, and how many lines of each log: the rest says the same."""


def run_study(
    job: TuneJob,
    store: Store,
    interrupts: Interrupts,
    *,
    resume: bool,
    accept_changes: bool,
    take_over: bool,
    address: str | None,
    display: Progress | None,
) -> None:
    """Run a study to its end in its folder, or resume it; one that has nothing left to do stays as it is."""
    start = session_start(job, store, resume=resume, accept_changes=accept_changes, take_over=take_over)
    if start.nothing_to_do:
        return
    # From here on the job is the study's: it names what was chosen for it.
    job, recorded = start.job.resolved(), recorded_data(start.document)
    # Mistakes are found before the session begins: a study stays ended where its data are missing.
    datasets.check_files(job.data)
    if job.model is not None:
        refuse_other_keras()
    address = reachable_address(address) if job.resources.workers != 0 else None
    snapshot = snapshot_of(job.functions.values())
    facts = {"provenance": provenance(job, snapshot), "code_changes": start.code_changes}
    data, fingerprint = _load_data(job, recorded, accept_changes=accept_changes)
    if recorded is not None and fingerprint is not None and fingerprint != recorded:
        facts["data_changes"] = datasets.differences(recorded, fingerprint)
    session = _session(job, start, store, facts, interrupts)
    if start.saved is None:
        for text in (*surprises(job), *filter(None, [job.recommendation])):
            note(text)
    elif (count := len(session.engine.trials)) > job.budget.trials:
        note(f"The study has {count} trials, more than its budget of {job.budget.trials}: no trial is added.")
    with heartbeat(session.recorder.beat), recording_end(session, new=start.saved is None):
        with interrupts.defer_signals():
            # Take the session's number before anything else is written: of two drivers one ends here.
            session.begin()
        sweep(store)
        _save(job, start, store, snapshot)
        if fingerprint is not None and fingerprint != recorded:
            set_data(store, fingerprint)
        if start.saved is not None:
            # Commands that wait, such as a change of the budget, come before the first draw.
            session.execute_commands(immediately=True)
        display = display or notebook_progress()
        with nullcontext() if display is None else display.watch(session):
            _train(session, data, address)


def _load_data(
    job: TuneJob, before: Mapping[str, Any] | None, *, accept_changes: bool
) -> tuple[Dataset | None, Mapping[str, Any] | None]:
    """The data, and what the study records of them; refuses others than before, unless changes are accepted.

    Of a data function that takes the config, they are those for one config, the same in each session.
    """
    data = load_data(job, trains=job.resources.workers == 0)
    now = None if data is None else datasets.fingerprint(data)
    if accept_changes or before is None or now is None or not (changes := datasets.differences(before, now)):
        return data, now
    raise DataError(
        f"The data differ from those that the study {job.name!r} began with: {'; '.join(changes)}. Earlier trials "
        "could not be compared with new ones. Restore the data, accept these with --accept-changes (in Python: "
        "accept_changes=True), or start another with --name. A data function must return the same data at each call; "
        "`tunepipe check` tests this."
    )


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


def _session(
    job: TuneJob, start: SessionStart, store: Store, facts: Mapping[str, Any], interrupts: Interrupts
) -> Session:
    """The session, restored from the state of the last one."""
    last = start.last
    recorder = Recorder(store, job, session=last.number + 1 if last else 1, last=last, facts=facts)
    session = Session(job, store, recorder, interrupts=interrupts, build=ray_scheduler(job), draw=ray_draw(job))
    if start.saved is not None and last is not None and start.state:
        try:
            state = SAVED_STATE.validate_python(start.state)
            session.restore(state, epochs_before=start.saved.budget.epochs)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            fault = first_fault(error) if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
            raise StorageError(
                f"The study {job.name!r} cannot be resumed from the state of its trials in "
                f"{layout.session(last.number)} ({fault}). Restore the file, or start "
                "another study with --name."
            ) from error
    return session


def _save(job: TuneJob, start: SessionStart, store: Store, snapshot: Snapshot) -> None:
    """Save the job and its code in the study's folder."""
    if start.saved is None and snapshot.files:
        note(f"Copied into the study's source/: {snapshot}.")
    if start.saved is None and snapshot.left_out:
        note(f"Not copied, because of their size: {first_of(snapshot.left_out)}.")
    arguments = command_line(sys.argv[1:]) if any(origin(each).in_script for each in job.functions.values()) else None
    save_study(store, job, snapshot=snapshot, before=start.document, arguments=arguments)


def _train(session: Session, data: Dataset | None, address: str | None) -> None:
    """Train the trials of a session until the study has ended or is interrupted."""
    try:
        if session.job.resources.workers != 0:
            run_on_ray(session, data, address)
        else:
            run_in_process(session, data)
    finally:
        # Those of workers that Ray has ended here, too.
        close_shared_folders()


# The end of a session


@contextmanager
def recording_end(session: Session, *, new: bool) -> Iterator[None]:
    """Complete the tables and record how the session ended, whatever happens while the context is open.

    A new study that ends before any epoch was trained is deleted: its name is free for the next try.
    """
    defer_signals = session.interrupts.defer_signals
    try:
        try:
            yield
            if session.fatal is not None:
                raise session.fatal
            if session.engine.interrupted:
                raise KeyboardInterrupt
            if session.engine.best is None:
                raise NoTrialSucceeded(_no_value(session))
        except Superseded:
            raise
        except BaseException as error:
            # A signal may come from a node that is taken away; a user's request comes through the storage.
            asked = isinstance(error, KeyboardInterrupt) and session.lease.stop_requested(immediately=True)
            deleted = False
            if session.lease.taken:
                with defer_signals():
                    _close(session, error)
                    deleted = new and _withdraw(session, error)
            elif new:
                with suppress(TunepipeError):
                    session.store.delete_empty_folders()
            removed = "It was removed, and its name can be used again."
            if isinstance(error, KeyboardInterrupt):
                how = f"Resume it with `tunepipe resume {as_argument(session.store.uri)}` (in Python: resume=True)."
                if STORAGE_WAIT_VARIABLE in os.environ:
                    how = "`tunepipe submit` with the same job resumes it."
                kept = f"Its tables are complete. {how if saves_state(session.job) else ''}".rstrip()
                interrupted = Interrupted(
                    f"The study {session.job.name!r} was interrupted. {removed if deleted else kept}"
                )
                interrupted.final = asked
                raise interrupted from None
            if isinstance(error, NoTrialSucceeded):
                shown = removed if deleted else "`tunepipe results` shows each error."
                raise NoTrialSucceeded(f"{error} {shown}") from None
            raise
        else:
            with defer_signals():
                try:
                    _complete(session)
                except StorageError as error:
                    _close(session, error)
                    raise
    except StorageError as error:
        # A storage that could be written may be so again.
        error.final = error.final and not session.engine.total_epochs
        raise
    finally:
        session.lease.leave()


def _complete(session: Session) -> None:
    # Commands that came too late get an outcome, so that no later session executes them.
    session.execute_commands(immediately=True)
    session.flush()
    session.clear()
    # No worker is left: what a killed one had begun to write stays unfinished.
    sweep(session.store)
    export_failure = (session.export.warning or "").partition("\n")[0]
    # Why it ended before its budget of trials was spent; empty if it did not.
    reason = session.engine.end_reason or all_tried(session.job, len(session.engine.trials)) or ""
    session.recorder.close("ended", reason, export_failure=export_failure)


def _close(session: Session, error: BaseException) -> None:
    """Write what there is, and the error as the session's message."""
    engine, recorder = session.engine, session.recorder
    if isinstance(error, StorageError):
        # A driver that takes the study over removes what this one was writing.
        with suppress(StorageError):
            session.lease.check(immediately=True)
    if not engine.interrupted:
        engine.interrupt()
    if isinstance(error, KeyboardInterrupt):
        session.flush()
        recorder.close("interrupted", engine.end_reason or "")
        return
    with suppress(StorageError, Superseded):
        session.flush()
        recorder.close("failed" if isinstance(error, Exception) else "interrupted", str(error).partition("\n")[0])


def _withdraw(session: Session, error: BaseException) -> bool:
    """Delete a study without epochs, or whose job has a mistake that its first epoch has shown, such as an unknown
    objective; returns whether it was deleted.
    """
    store = session.store
    final = isinstance(error, UserError) and error.final and not isinstance(error, StorageError)
    mistake = final and session.engine.best is None
    # The error that has ended the study is the one to report; the storage may be its cause.
    with suppress(TunepipeError):
        # A study that another driver has taken over is not deleted.
        session.lease.check(immediately=True)
        if mistake or not (store.files("epochs") or store.files("checkpoints")):
            if isinstance(error, NoTrialSucceeded):
                for text in failure_texts(session):
                    note(text)
            session.recorder.stop_heartbeat()
            remove(store)
            return True
    return False


def failure_texts(session: Session) -> Iterator[str]:
    """Why trials failed: each error once, with what the trial has printed."""
    causes: dict[str, Trial] = {}
    for trial in session.engine.trials.values():
        if trial.state == "failed":
            causes.setdefault(hide_numbers(str(trial.error)), trial)
    for trial in list(causes.values())[:_CAUSES]:
        log = layout.log(trial.trial_id)
        # With --workers 0 the trial has printed all of that already.
        printed = session.store.read_text(log) if session.store.exists(log) else ""
        headline = f"Trial {trial.trial_id} failed: {str(trial.error).rstrip('.')}."
        yield "\n".join([headline, *(f"  {line}" for line in printed.splitlines()[-_LINES:])])


def _no_value(session: Session) -> str:
    failed = [trial for trial in session.engine.trials.values() if trial.state == "failed"]
    errors = {str(trial.error) for trial in failed}
    who = "Its only trial" if len(failed) == 1 else f"Each of its {len(failed)} trials"
    why = session.engine.end_reason or f"{who} failed{f': {errors.pop()}' if len(errors) == 1 else ''}"
    return f"The study {session.job.name!r} ended without a value. {why.rstrip('.')}."
