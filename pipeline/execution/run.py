"""Assemble a study, run it, resume it: what `tunepipe run` and `pipeline.run` do."""

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pipeline import datasets
from pipeline.datasets import Dataset
from pipeline.errors import Interrupted, NotResumable, NoTrialSucceeded, StorageError, Superseded, UserError
from pipeline.execution.in_process import run_in_process
from pipeline.execution.on_ray import default_workers, here, run_on_ray
from pipeline.execution.recorder import Recorder
from pipeline.execution.resuming import last_session, lessened, reconciled
from pipeline.execution.session import Session
from pipeline.execution.sources import unsaved
from pipeline.execution.starting import started_from
from pipeline.storage import Store
from pipeline.study import TuneJob, layout, save_study
from pipeline.study.drawing import fewer

__all__ = ["DEFAULT_STORAGE", "Display", "Outcome", "run"]

DEFAULT_STORAGE = "studies"
"""Where studies lie unless told otherwise: below the folder in which the command is called."""


class Display(Protocol):
    """Shows a study while it runs."""

    def watch(self, session: Session) -> Any:
        """A context in which the session runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call of `run` ended.

    Args:
        store: The study's folder.
        already: Whether the study had been finished before.
        message: Why it ended early; empty if it did not.
        winner: Test metrics of the winner; empty where there is no test split.
        warning: Why the winner could not be exported or tested; None if it was.
    """

    store: Store = field(repr=False)
    already: bool = False
    message: str = ""
    winner: Mapping[str, float] = field(default_factory=dict)
    warning: str | None = None


def run(
    job: TuneJob,
    *,
    storage: str | Path = DEFAULT_STORAGE,
    name: str | None = None,
    resume: bool = False,
    accept_changes: bool = False,
    address: str | None = None,
    display: Display | None = None,
    note: Callable[[str], None] = print,
) -> Outcome:
    """Run a study to its end.

    Args:
        job: What is tuned.
        storage: Where studies lie: a folder, or a URI every node reaches.
        name: The study's name; the job's own unless given.
        resume: Go on with the study of that name, if there is one; does nothing where it is finished. Budget,
            resources and checkpoints are the job's.
        accept_changes: Resume although code, data or domains of the job have changed.
        address: Of a running Ray cluster; None uses this machine.
        display: Shows the study while it runs.
        note: Is told what a person may wonder about: that another driver is waited for, that there are fewer trials.

    Returns:
        How it ended.

    Raises:
        StudyExists: There is a study of that name, and `resume` is not set, or its driver is alive.
        NotResumable: A class of Ray Tune's decides in the study to be resumed.
        StudyChanged: The study to be resumed is of another job; says what differs.
        Superseded: Another driver took the study over meanwhile.
        NoTrialSucceeded: The study ended without a value.
        Interrupted: By Ctrl-C or SIGTERM; the tables are whole.
        UserError: Anything else a person can mend: storage, data, model, resources.
    """
    if name is not None:
        job = job.replaced({"name": name})
    store = Store(storage).folder(job.name)
    job = started_from(job, storage, note)
    saved, last = last_session(store, job, resume=resume, note=note)
    if saved is not None:
        job = reconciled(job, saved, accept_changes=accept_changes)
    if last is not None and saved is not None and last["state"] == "finished" and saved.budget == job.budget:
        return Outcome(store, already=True)
    number, seconds = (last["number"] + 1, last["seconds"]) if last else (1, 0.0)
    left = last["resume"] if last and saved else None
    if left and left.get("trials") and (why := unsaved(job)) is not None:
        raise NotResumable(
            f"The study {job.name!r} cannot be gone on with: {why}. Start another with --name, from its best configs "
            f"with --start-from {job.name}; or take a scheduler and a searcher of tunepipe's own."
        )
    decided = left.get("decided", 0) if left else 0
    if last is not None and type(decided) is not int:
        raise _unusable(last, job, f"it decided {decided!r:.100}")
    # Before the study is anybody's: a finished one stays finished where its data are not to be found.
    datasets.present(job.data)
    recorder = Recorder(store, job, session=number, seconds_before=seconds, decided_before=decided)
    session = Session(job, store, recorder)
    if saved is not None and last is not None and left:
        _restore(session, last, saved)
    if (told := fewer(job) if saved is None else lessened(job, saved)) is not None:
        note(told)
    # The session's number is taken before anything else is written: of two drivers one goes no further.
    recorder.begin(session.state())
    store.sweep()
    save_study(store, job)
    with _recorded(recorder, session, _interrupted(job, store)), _shown(display, session):
        if job.resources.workers == 0:
            default_workers(job, *here())
            from pipeline.execution.worker import Worker

            session.workers = 1
            run_in_process(session, Worker(job, _load(job), store, session=number, capture=False))
        else:
            run_on_ray(session, store, _loading(job), address=address)
    if session.interrupted:
        raise _interrupted(job, store)
    return Outcome(
        store, message=session.over or "", winner=session.winner.metrics or {}, warning=session.winner.warning
    )


def _interrupted(job: TuneJob, store: Store) -> Interrupted:
    why = unsaved(job)
    further = f"It cannot be gone on with: {why}" if why else f"Go on with `tunepipe resume {store.uri}`"
    return Interrupted(f"The study {job.name!r} was interrupted; its tables are whole. {further}.")


def _restore(session: Session, last: Mapping[str, Any], saved: TuneJob) -> None:
    try:
        session.restore(last["resume"], budget_before=saved.budget.epochs)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise _unusable(last, saved, f"{type(error).__name__}: {' '.join(str(error).split())}") from error


def _unusable(last: Mapping[str, Any], job: TuneJob, why: str) -> StorageError:
    return StorageError(
        f"The study {job.name!r} cannot go on from what {layout.session(last['number'])} says of its trials ({why}). "
        "Restore the file, or start a study of its own with --name."
    )


def _load(job: TuneJob) -> Dataset | None:
    return None if job.data is None else datasets.load(job.data)


def _loading(job: TuneJob) -> Callable[[], Dataset | None]:
    """Begin to load the data while Ray starts; the result waits for them.

    A function of the user's own is called later, in the main thread, which it may take for granted.
    """
    if callable(job.data):
        return lambda: _load(job)
    data: Future[Dataset | None] = Future()

    def load() -> None:
        try:
            data.set_result(_load(job))
        except BaseException as error:
            data.set_exception(error)

    # If Ray does not start, nobody waits for the data.
    threading.Thread(target=load, name="data", daemon=True).start()
    return data.result


@contextmanager
def _shown(display: Display | None, session: Session) -> Iterator[None]:
    if display is None:
        yield
        return
    with display.watch(session):
        yield


@contextmanager
def _recorded(recorder: Recorder, session: Session, interrupted: Interrupted) -> Iterator[None]:
    """Whatever happens, the tables are whole and say how the session ended."""
    try:
        yield
        if session.fatal is not None:
            raise session.fatal
        if session.best is None and not session.interrupted:
            raise NoTrialSucceeded(_no_value(session))
    except Superseded:
        raise
    except BaseException as error:
        mistake = isinstance(error, UserError) and not isinstance(error, StorageError)
        if mistake and recorder.session == 1 and session.best is None:
            # Nothing was found out yet, and the next try should not hear that the name is taken.
            recorder.withdraw()
            raise
        if not session.interrupted:
            session.interrupt()
        with suppress(StorageError, Superseded):
            recorder.flush_state(session.state())
            told = str(error).splitlines() or [""]
            recorder.close("failed" if isinstance(error, Exception) else "interrupted", told[0])
        if isinstance(error, KeyboardInterrupt):
            raise interrupted from None
        raise
    recorder.flush_state(session.state())
    recorder.close("interrupted" if session.interrupted else "finished", session.over or "")


def _no_value(session: Session) -> str:
    failed = [trial for trial in session.trials.values() if trial.state == "failed"]
    errors = {str(trial.error) for trial in failed}
    who = "Its one trial" if len(failed) == 1 else f"Each of its {len(failed)} trials"
    why = session.over or f"{who} failed{f': {errors.pop()}' if len(errors) == 1 else ''}"
    told = why.rstrip(".")
    return f"The study {session.job.name!r} ended without a value. {told}. `tunepipe results` shows each error."
