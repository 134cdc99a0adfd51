"""Assemble a study, run it, resume it: what `tunepipe run` and `pipeline.run` do."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

import psutil

from pipeline import datasets
from pipeline.datasets import Dataset
from pipeline.errors import Fault, Interrupted, InvalidJob, NoTrialSucceeded, StorageError, StudyExists, UserError
from pipeline.execution.in_process import run_in_process
from pipeline.execution.on_ray import default_workers, here, run_on_ray
from pipeline.execution.recorder import Recorder
from pipeline.execution.session import Session
from pipeline.results.load import read_sessions
from pipeline.storage import Store
from pipeline.study import TuneJob, layout, load_study, save_study

__all__ = ["DEFAULT_STORAGE", "Display", "Outcome", "run"]

DEFAULT_STORAGE = "studies"
"""Where studies lie unless told otherwise: below the folder in which the command is called."""


_HEARTBEAT_LIMIT = timedelta(seconds=60)


class Display(Protocol):
    """Shows a study while it runs."""

    def watch(self, session: Session) -> Any:
        """A context in which the session runs."""


class Outcome:
    """How a call of `run` ended.

    Args:
        store: The study's folder.
        already: Whether the study had been finished before.
        message: Why it ended early; empty if it did not.
        winner: Test metrics of the winner; empty where there is no test split.
        warning: Why the winner could not be exported or tested; None if it was.
    """

    def __init__(self, store: Store, *, already: bool = False, session: Session | None = None) -> None:
        self.store = store
        self.already = already
        self.message = (session.over or "") if session else ""
        self.winner = dict(session.winner or {}) if session else {}
        self.warning = session.warning if session else None


def run(
    job: TuneJob,
    *,
    storage: str | Path = DEFAULT_STORAGE,
    name: str | None = None,
    resume: bool = False,
    address: str | None = None,
    display: Display | None = None,
) -> Outcome:
    """Run a study to its end.

    Args:
        job: What is tuned.
        storage: Where studies lie: a folder, or a URI every node reaches.
        name: The study's name; the job's own unless given.
        resume: Go on with the study of that name, if there is one; does nothing where it is finished.
        address: Of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs.

    Returns:
        How it ended.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set.
        InvalidJob: The study to be resumed is of another job; says what differs.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: By Ctrl-C or SIGTERM; the tables are whole.
        UserError: Anything else a person can mend: storage, data, model, resources.
    """
    if name is not None:
        job = job.replaced({"name": name})
    store = Store(storage).folder(job.name)
    before = _before(store, job, resume)
    if before is not None and before["state"] == "finished" and load_study(store).budget == job.budget:
        return Outcome(store, already=True)
    epochs_before = load_study(store).budget.epochs if before else 0
    if before is None and not store.exists(layout.STUDY) and store.files():
        raise StorageError(
            f"{store.uri} holds files that are no study. Nothing of it was touched: choose another --name or --storage."
        )
    save_study(store, job)
    number, seconds = (before["number"] + 1, before["seconds"]) if before else (1, 0.0)
    recorder = Recorder(store, job, session=number, seconds_before=seconds)
    session = Session(job, store, recorder)
    if before is not None and before["resume"]:
        session.restore(before["resume"], epochs_before=epochs_before)
    recorder.flush_state(session.state())
    with _recorded(recorder, session), _shown(display, session):
        if job.resources.workers == 0:
            default_workers(job, *here())
            from pipeline.execution.worker import Worker

            run_in_process(session, Worker(job, _load(job), store, capture=False))
        else:
            run_on_ray(session, store, lambda: _load(job), address=address)
    if session.interrupted:
        raise Interrupted(f"The study {job.name!r} was interrupted; its tables are whole. Go on with --resume.")
    return Outcome(store, session=session)


def _load(job: TuneJob) -> Dataset | None:
    return None if job.data is None else datasets.load(job.data)


@contextmanager
def _shown(display: Display | None, session: Session) -> Iterator[None]:
    if display is None:
        yield
        return
    with display.watch(session):
        yield


@contextmanager
def _recorded(recorder: Recorder, session: Session) -> Iterator[None]:
    """Whatever happens, the tables are whole and say how the session ended."""
    try:
        yield
        if session.fatal is not None:
            raise session.fatal
        if session.best is None and not session.interrupted:
            raise NoTrialSucceeded(_no_value(session))
    except BaseException as error:
        mistake = isinstance(error, UserError) and not isinstance(error, StorageError)
        if mistake and recorder.session == 1 and session.best is None:
            # Nothing was found out yet, and the next try should not hear that the name is taken.
            recorder.withdraw()
            raise
        if not session.interrupted:
            session.interrupt()
        with suppress(StorageError):
            recorder.flush_state(session.state())
            told = str(error).splitlines() or [""]
            recorder.close("failed" if isinstance(error, Exception) else "interrupted", told[0])
        raise
    recorder.flush_state(session.state())
    recorder.close("interrupted" if session.interrupted else "finished", session.over or "")


def _no_value(session: Session) -> str:
    failed = [trial for trial in session.trials.values() if trial.state == "failed"]
    why = session.over or f"All {len(failed)} trials failed."
    return f"The study {session.job.name!r} ended without a value. {why} The table `trials` holds each error."


def _before(store: Store, job: TuneJob, resume: bool) -> dict[str, Any] | None:
    """The last session of the study to be resumed; None where the study is new."""
    if not store.exists(layout.STUDY):
        return None
    if not resume:
        raise StudyExists(
            f"There is a study {job.name!r} in {store.uri} already. Go on with it with --resume, "
            "or give the new one a name of its own with --name."
        )
    _same(load_study(store), job)
    sessions = read_sessions(store)
    if not sessions:
        return None
    last = dict(sessions[-1])
    if last["state"] == "running" and _alive(last):
        raise StudyExists(
            f"The study {job.name!r} is running already: process {last['pid']} on {last['host']} told of itself at "
            f"{last['heartbeat']}. Stop it first, or wait a minute if it is gone."
        )
    return last


def _alive(session: dict[str, Any]) -> bool:
    """Whether the driver of a session that has not ended may still be at work."""
    if session["host"] == platform.node():
        return bool(psutil.pid_exists(session["pid"]))
    return datetime.now(UTC) - datetime.fromisoformat(session["heartbeat"]) < _HEARTBEAT_LIMIT


def _same(saved: TuneJob, job: TuneJob) -> None:
    """Budget, workers and resources may change between sessions; what is tuned may not."""
    old, new = saved.to_json(), job.to_json()
    free = ("budget", "resources", "description", "checkpoint_seconds")
    faults = [
        Fault(name, new[name], f"must stay {old[name]!r}")
        for name in new
        if name not in free and new[name] != old[name]
    ]
    if faults:
        raise InvalidJob(f"the study {job.name!r}, to be resumed,", faults)
