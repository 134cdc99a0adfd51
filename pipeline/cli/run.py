"""`tunepipe run` and `tunepipe resume`: start or resume a study."""

import sys
from contextlib import nullcontext, redirect_stdout
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

from pipeline.cli.console import command_console, print_text
from pipeline.cli.job_options import JobOptions, with_job_options
from pipeline.cli.options import (
    STORAGE,
    AcceptChanges,
    JobName,
    Json,
    Logs,
    Storage,
    Study,
    located,
    option,
    study_store,
    switch,
)
from pipeline.errors import DataError, NoTrialSucceeded, UsageError
from pipeline.text import note

if TYPE_CHECKING:
    from pipeline.study import TuneJob


Address = Annotated[
    str | None,
    option("Ray cluster to join, or `auto`. Default: RAY_ADDRESS, else Ray on this machine.", "HOST:6379"),
]
"""An address of Ray itself, not of its dashboard, which names a `Cluster`."""


@with_job_options()
def run(
    job: JobName,
    *,
    storage: Storage = STORAGE,
    resume: Annotated[bool, switch("--resume", "Resume the study, with its budget, if it exists.")] = False,
    options: JobOptions,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    log: Logs = None,
    as_json: Json = False,
) -> None:
    """Run a study. Draw configs, train them, stop poor trials early, keep the best model."""
    from pipeline.execution.run import wait_for_storage
    from pipeline.storage import Store

    # Before anything is read there, such as the job of the study to resume.
    wait_for_storage(storage)
    # Whole, since a job file may change the current directory.
    storage = Store(storage).uri
    tuned = options.job(job, storage, resume=resume)
    _run_and_print(tuned, storage, log, as_json, resume=resume, accept_changes=accept_changes, address=address)


@with_job_options("trials", "epochs", "total_epochs", "seconds", "workers", "set_")
def resume(
    study: Study,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    take_over: Annotated[
        bool, switch("--take-over", "Resume even if the last driver may still run, which then ends.")
    ] = False,
    log: Logs = None,
    as_json: Json = False,
) -> None:
    """Resume a study. It was interrupted, or gets a larger budget; its job is in its folder."""
    from pipeline.study import load_study

    if "name" in options.changes:
        raise UsageError("A study keeps its name: start another with `tunepipe run --name`, or copy its folder.")
    studies, name = located(study, storage)
    tuned = load_study(study_store(study, storage)).replaced({**options.changes, "name": name})
    _run_and_print(
        tuned, studies, log, as_json, resume=True, accept_changes=accept_changes, address=address, take_over=take_over
    )


def _run_and_print(tuned: "TuneJob", storage: str, logs: list[str] | None, as_json: bool, **how: Any) -> None:
    """Run or resume a study with its progress on the terminal, and print its results."""
    from pipeline import api
    from pipeline.cli.results import print_failures, show
    from pipeline.code.modules import error_text
    from pipeline.execution.progress import Progress
    from pipeline.results.loggers import log_live
    from pipeline.results.report.page import write_report
    from pipeline.results.tables.load import load_results
    from pipeline.storage import Store, layout

    # Before Ray starts: while Ray runs, stdout is redirected to a log.
    console, store = command_console(err=as_json), Store(storage).folder(tuned.name)
    try:
        # With --workers 0, trials print in this process; with --json, stdout must hold one object and nothing else.
        with (
            redirect_stdout(sys.stderr) if as_json else nullcontext(),
            log_live(store, logs) if logs else nullcontext(),
        ):
            results = api.run(
                tuned, storage=storage, display=Progress(console), note=partial(print_text, err=True), **how
            )
    except NoTrialSucceeded:
        if store.exists(layout.STUDY):
            print_failures(load_results(store.uri), console)
        raise
    except DataError as error:
        cause = error.__cause__
        if cause is not None and not isinstance(cause, DataError) and cause.__traceback__ is not None:
            # The first frame is tunepipe's own, which calls the user's function.
            note(error_text(cause.with_traceback(cause.__traceback__.tb_next)))
        raise
    show(results, top=None, as_json=as_json)
    if not as_json:
        print_text(f"\nstudy   {store.uri}\nreport  {write_report(store)}")
