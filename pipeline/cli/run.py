"""`tunepipe run` and `tunepipe resume`: start or resume a study."""

import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

from pipeline.cli.console import command_console, note, print_text
from pipeline.cli.control import continue_if_paused
from pipeline.cli.job_options import JobOptions, changes_of, limits, with_job_options
from pipeline.cli.options import (
    STORAGE,
    AcceptChanges,
    Address,
    Epochs,
    Fields,
    JobName,
    Json,
    Logs,
    Resume,
    Seconds,
    Storage,
    Study,
    TakeOver,
    TotalEpochs,
    Trials,
    Workers,
    located,
    study_store,
)
from pipeline.errors import DataError, NoTrialSucceeded

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.execution.outcome import Outcome
    from pipeline.study import TuneJob


@with_job_options
def run(
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    resume: Resume = False,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    log: Logs = None,
    as_json: Json = False,
) -> None:
    """Run a study: draw configs, train them, stop poor trials early, keep the best model."""
    from pipeline.execution.driver.storage_wait import wait_for_storage

    # Before anything is read there, such as the job of the study to resume.
    wait_for_storage(storage, note)
    tuned = options.job(job, storage, resume=resume)
    _run_and_print(
        tuned,
        storage,
        log,
        as_json=as_json,
        resume=resume,
        accept_changes=accept_changes,
        address=address,
        check=_check_command(job, options, storage),
    )


def _check_command(job: str, options: JobOptions, storage: str) -> str:
    """The command that checks what `run` runs."""
    from pipeline.study.studies import default_storage

    where = [] if storage == default_storage() else ["--storage", storage]
    return shlex.join(["tunepipe", "check", job, *options.arguments(storage), *where])


def resume(
    study: Study,
    trials: Trials = None,
    epochs: Epochs = None,
    total_epochs: TotalEpochs = None,
    seconds: Seconds = None,
    workers: Workers = None,
    storage: Storage = STORAGE,
    set_: Fields = None,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    take_over: TakeOver = False,
    log: Logs = None,
    as_json: Json = False,
) -> None:
    """Resume a study that was interrupted or paused, or that gets a larger budget, with the job in its folder."""
    from pipeline.study import load_study

    changes = changes_of(limits(trials, epochs, total_epochs, seconds, workers), set_)
    if not changes and not take_over and continue_if_paused(study_store(study, storage)):
        return
    studies, name = located(study, storage)
    tuned = load_study(study_store(study, storage)).replaced({**changes, "name": name})
    _run_and_print(
        tuned,
        studies,
        log,
        as_json=as_json,
        resume=True,
        accept_changes=accept_changes,
        address=address,
        take_over=take_over,
    )


def _run_and_print(
    tuned: "TuneJob",
    storage: str,
    logs: Sequence[str] | None,
    *,
    as_json: bool,
    resume: bool,
    accept_changes: bool,
    address: str | None,
    take_over: bool = False,
    check: str | None = None,
) -> None:
    """Run or resume a study with its progress on the terminal, and print its results."""
    from pipeline.execution.driver.progress import Progress
    from pipeline.execution.run import run as run_study

    # Before Ray starts: while Ray runs, stdout is redirected to a log.
    console = command_console(err=as_json)
    # With --workers 0, trials print in this process; with --json, stdout must hold one object and nothing else.
    with (
        redirect_stdout(sys.stderr) if as_json else nullcontext(),
        _print_failures(tuned.name, storage, console, check),
        _logged(tuned.name, storage, logs),
    ):
        outcome = run_study(
            tuned,
            storage=storage,
            resume=resume,
            accept_changes=accept_changes,
            take_over=take_over,
            address=address,
            display=Progress(console),
            note=note,
        )
    _print_outcome(outcome, tuned.name, as_json=as_json)


def _logged(name: str, storage: str, logs: Sequence[str] | None) -> AbstractContextManager[None]:
    """Log the study to other tools while it runs; without logs, none of these tools is imported."""
    if not logs:
        return nullcontext()
    from pipeline.results.export import log_live
    from pipeline.storage import Store

    return log_live(Store(storage).folder(name), logs, note)


@contextmanager
def _print_failures(name: str, storage: str, console: "Console", check: str | None) -> Iterator[None]:
    """Print details of an error: each failed trial, or the line of the data function; and the command that checks."""
    try:
        yield
    except NoTrialSucceeded as error:
        from pipeline.cli.results import print_failures
        from pipeline.results.tables.load import load_results
        from pipeline.storage import Store
        from pipeline.study import layout

        store = Store(storage).folder(name)
        if store.exists(layout.STUDY):
            print_failures(load_results(store.uri), console)
        if check is None:
            raise
        raise NoTrialSucceeded(f"{error} `{check}` trains a first epoch and says what is wrong with the job.") from None
    except DataError as error:
        from pipeline.code import error_text, user_frames_text

        cause = error.__cause__
        if isinstance(cause, DataError):
            if frames := user_frames_text(cause):
                note(f"Traceback (most recent call last):\n{frames}")
        elif cause is not None and cause.__traceback__ is not None:
            # The first frame is tunepipe's own, which calls the user's function.
            note(error_text(cause.with_traceback(cause.__traceback__.tb_next)))
        raise


def _print_outcome(outcome: "Outcome", name: str, *, as_json: bool) -> None:
    """The results, and the paths of the study and its report."""
    from pipeline.cli.results import show

    if not as_json and outcome.finished_before:
        print_text(
            f"The study {name!r} is already finished. `tunepipe resume` with a larger --trials or --epochs continues "
            "it; `tunepipe run` with another --name starts a new one.\n"
        )
    show(outcome.store, top=None, as_json=as_json)
    if as_json:
        return

    from pipeline.results.report.page import write_report

    print_text(f"\nstudy   {outcome.store.uri}\nreport  {write_report(outcome.store)}")
