"""The end of a driver session: complete tables, or the deletion of a study that trained no epoch."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from pipeline.code import user_frame, without_libraries
from pipeline.errors import Interrupted, NoTrialSucceeded, StorageError, Superseded, TunepipeError, UserError
from pipeline.execution.driver.provenance import tunepipe_command
from pipeline.execution.driver.resume import has_epochs, unsaved_state
from pipeline.execution.driver.session import Session
from pipeline.execution.interrupts import Interrupts
from pipeline.results.analysis.failure_causes import first_line
from pipeline.storage import Store
from pipeline.study import TuneJob, layout
from pipeline.study.contents import remove, sweep
from pipeline.study.studies import called

_CAUSES, _LINES = 3, 40
"""How many causes of failure are shown, and how many lines of each log: the rest says the same."""


@contextmanager
def recording_end(
    session: Session, store: Store, interrupts: Interrupts, *, new: bool, note: Callable[[str], None]
) -> Iterator[None]:
    """Complete the tables and record how the session ended, whatever happens while the context is open.

    A new study that ends before any epoch was trained is deleted: its name is free for the next try.
    """
    try:
        with _closing(session, store, interrupts, new=new, note=note):
            yield
            if session.fatal is not None:
                raise session.fatal
            if session.engine.interrupted:
                raise KeyboardInterrupt
            if session.engine.best is None:
                raise NoTrialSucceeded(_no_value(session))
    except StorageError as error:
        if session.engine.total_epochs:
            # A storage that could be written may be so again.
            error.final = False
        raise
    finally:
        session.file.leave()


@contextmanager
def _closing(
    session: Session, store: Store, interrupts: Interrupts, *, new: bool, note: Callable[[str], None]
) -> Iterator[None]:
    try:
        yield
    except Superseded:
        raise
    except BaseException as error:
        if isinstance(error, StorageError) and session.file.taken:
            # A driver that takes the study over removes what this one was writing.
            with suppress(StorageError):
                session.file.check()
        deleted = False
        # A signal may come from a node that is taken away; a user's request comes through the storage, too.
        asked = isinstance(error, KeyboardInterrupt) and session.file.stop_requested(immediately=True)
        if session.file.taken:
            with interrupts.defer_signals():
                deleted = new and _withdraw(session, store, error, note)
                if not deleted:
                    _close(session, error)
                    deleted = new and isinstance(error, StorageError) and _withdraw_unstored(session, store)
        if isinstance(error, KeyboardInterrupt):
            interrupted = Interrupted(_interrupted(session.job, store, deleted=deleted))
            interrupted.final = asked
            raise interrupted from None
        if isinstance(error, NoTrialSucceeded):
            then = (
                "It was removed, and its name can be used again" if deleted else "`tunepipe results` shows each error"
            )
            raise NoTrialSucceeded(f"{error} {then}.") from None
        raise
    else:
        _finish(session, store, interrupts)


def _finish(session: Session, store: Store, interrupts: Interrupts) -> None:
    with interrupts.defer_signals():
        try:
            # Commands that came too late get an outcome, so that no later session executes them.
            session.execute_commands(immediately=True)
            session.flush()
            session.clear()
            # No worker is left: what a killed one had begun to write stays unfinished.
            sweep(store)
            if (failure := session.final_evaluation.warning) is not None:
                session.recorder.facts["winner_failure"] = first_line(failure)
            session.recorder.close("finished", session.end_reason)
        except StorageError as error:
            _close(session, error)
            raise


def _close(session: Session, error: BaseException) -> None:
    engine, recorder = session.engine, session.recorder
    if not engine.interrupted:
        engine.interrupt()
    if isinstance(error, KeyboardInterrupt):
        session.flush()
        recorder.close("interrupted", engine.end_reason or "")
        return
    with suppress(StorageError, Superseded):
        session.flush()
        lines = str(error).splitlines() or [""]
        recorder.close("failed" if isinstance(error, Exception) else "interrupted", lines[0])


def _withdraw(session: Session, store: Store, error: BaseException, note: Callable[[str], None]) -> bool:
    """Delete a study without results; returns whether it was deleted."""
    # A mistake in the job may show only after an epoch, for example that its objective is not a metric of the model.
    # Standard output that is lost is not a mistake in the job.
    final = isinstance(error, UserError) and error.final and not isinstance(error, StorageError)
    mistake = final and session.engine.best is None
    if session.engine.total_epochs and not mistake:
        return False
    try:
        # A study that another driver has taken over is not deleted.
        session.file.check()
        if has_epochs(store) and not mistake:
            return False
        if isinstance(error, NoTrialSucceeded):
            for text in failure_texts(session, store):
                note(text)
        session.recorder.stop_heartbeat()
        remove(store)
    except TunepipeError:
        # The error that has ended the study is the one to report; the storage may be its cause.
        return False
    return True


def _withdraw_unstored(session: Session, store: Store) -> bool:
    """Delete a study if none of its epochs could be stored; returns whether it was deleted."""
    with suppress(TunepipeError):
        session.file.check()
        if not has_epochs(store):
            session.recorder.stop_heartbeat()
            remove(store)
            return True
    return False


def failure_texts(session: Session, store: Store) -> Iterator[str]:
    """Why trials failed."""
    causes: dict[str, str] = {}
    for trial in session.engine.trials.values():
        if trial.state == "failed":
            causes.setdefault(re.sub(r"\d+", "0", str(trial.error)), trial.trial_id)
    for trial_id in list(causes.values())[:_CAUSES]:
        log = layout.log(trial_id)
        text = store.read_text(log) if store.exists(log) else ""
        error, frame = str(session.engine.trials[trial_id].error), user_frame(text)
        lines = without_libraries(text).splitlines()
        # The line of the user's code comes first: a traceback has it behind many frames of libraries.
        headline = f"Trial {trial_id} failed{f' at {frame.place}' if frame else ''}: {error.rstrip('.')}."
        if len(lines) > _LINES:
            lines = [f"… {len(lines) - _LINES} lines before …", *lines[-_LINES:]]
        # With --workers 0 the trial has printed all of that already.
        yield "\n".join([f"{headline} It printed:" if lines else headline, *(f"  {line}" for line in lines)])
    if len(causes) > _CAUSES:
        yield f"… and {len(causes) - _CAUSES} other errors."


def _interrupted(job: TuneJob, store: Store, *, deleted: bool) -> str:
    event = f"The study {job.name!r} was interrupted"
    if deleted:
        return f"{event} before its first epoch and was removed; its name can be used again."
    if (why := unsaved_state(job)) is not None:
        return f"{event}; its tables are complete. It cannot be resumed: {why}."
    if not job.resumable:
        how = "with run(JOB, resume=True) where the same functions are defined"
        return f"{event}; its tables are complete. Resume it {how}."
    return f"{event}; its tables are complete. Resume it with `{tunepipe_command('resume', called(store.uri))}`."


def _no_value(session: Session) -> str:
    failed = [trial for trial in session.engine.trials.values() if trial.state == "failed"]
    errors = {str(trial.error) for trial in failed}
    who = "Its only trial" if len(failed) == 1 else f"Each of its {len(failed)} trials"
    why = session.engine.end_reason or f"{who} failed{f': {errors.pop()}' if len(errors) == 1 else ''}"
    return f"The study {session.job.name!r} ended without a value. {why.rstrip('.')}."
