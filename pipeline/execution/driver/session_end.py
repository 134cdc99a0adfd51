"""The end of a driver session: complete tables, or the deletion of a new study that trained no epoch."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline.engine.trial import Trial
from pipeline.errors import Interrupted, NoTrialSucceeded, StorageError, Superseded, TunepipeError, UserError
from pipeline.execution.driver.session import Session
from pipeline.execution.interrupts import Interrupts
from pipeline.storage import Store
from pipeline.study import layout
from pipeline.study.files import as_argument, remove, sweep
from pipeline.text import hide_numbers, note

_CAUSES, _LINES = 3, 40
"""How many causes of failure are shown, and how many lines of each log: the rest says the same."""


@contextmanager
def recording_end(session: Session, store: Store, interrupts: Interrupts, *, new: bool) -> Iterator[None]:
    """Complete the tables and record how the session ended, whatever happens while the context is open.

    A new study that ends before any epoch was trained is deleted: its name is free for the next try.
    """
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
                with interrupts.defer_signals():
                    _close(session, error)
                    deleted = new and _withdraw(session, store, error)
            then = "It was removed, and its name can be used again."
            if isinstance(error, KeyboardInterrupt):
                resume = f"Resume it with `tunepipe resume {as_argument(store.uri)}` (in Python: resume=True)."
                tables = then if deleted else f"Its tables are complete. {resume}"
                interrupted = Interrupted(f"The study {session.job.name!r} was interrupted. {tables}")
                interrupted.final = asked
                raise interrupted from None
            if isinstance(error, NoTrialSucceeded):
                shown = then if deleted else "`tunepipe results` shows each error."
                raise NoTrialSucceeded(f"{error} {shown}") from None
            raise
        else:
            with interrupts.defer_signals():
                try:
                    _finish(session, store)
                except StorageError as error:
                    _close(session, error)
                    raise
    except StorageError as error:
        # A storage that could be written may be so again.
        error.final = error.final and not session.engine.total_epochs
        raise
    finally:
        session.lease.leave()


def _finish(session: Session, store: Store) -> None:
    # Commands that came too late get an outcome, so that no later session executes them.
    session.execute_commands(immediately=True)
    session.flush()
    session.clear()
    # No worker is left: what a killed one had begun to write stays unfinished.
    sweep(store)
    failure = session.final_evaluation.warning or ""
    session.recorder.facts["winner_failure"] = failure.partition("\n")[0]
    session.recorder.close("finished", session.end_reason)


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


def _withdraw(session: Session, store: Store, error: BaseException) -> bool:
    """Delete a study without epochs, or whose job has a mistake that its first epoch has shown, such as an unknown
    objective; returns whether it was deleted.
    """
    final = isinstance(error, UserError) and error.final and not isinstance(error, StorageError)
    mistake = final and session.engine.best is None
    # The error that has ended the study is the one to report; the storage may be its cause.
    with suppress(TunepipeError):
        # A study that another driver has taken over is not deleted.
        session.lease.check(immediately=True)
        if mistake or not (store.files("epochs") or store.files("checkpoints")):
            if isinstance(error, NoTrialSucceeded):
                for text in failure_texts(session, store):
                    note(text)
            session.recorder.stop_heartbeat()
            remove(store)
            return True
    return False


def failure_texts(session: Session, store: Store) -> Iterator[str]:
    """Why trials failed: each error once, with what the trial has printed."""
    causes: dict[str, Trial] = {}
    for trial in session.engine.trials.values():
        if trial.state == "failed":
            causes.setdefault(hide_numbers(str(trial.error)), trial)
    for trial in list(causes.values())[:_CAUSES]:
        log = layout.log(trial.trial_id)
        # With --workers 0 the trial has printed all of that already.
        printed = store.read_text(log) if store.exists(log) else ""
        headline = f"Trial {trial.trial_id} failed: {str(trial.error).rstrip('.')}."
        yield "\n".join([headline, *(f"  {line}" for line in printed.splitlines()[-_LINES:])])


def _no_value(session: Session) -> str:
    failed = [trial for trial in session.engine.trials.values() if trial.state == "failed"]
    errors = {str(trial.error) for trial in failed}
    who = "Its only trial" if len(failed) == 1 else f"Each of its {len(failed)} trials"
    why = session.engine.end_reason or f"{who} failed{f': {errors.pop()}' if len(errors) == 1 else ''}"
    return f"The study {session.job.name!r} ended without a value. {why.rstrip('.')}."
