"""`tunepipe run` and `tunepipe resume`: a study from its start, or from where it was, to its end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING

import typer

from pipeline.cli.location import Study, located, study_store
from pipeline.cli.options import (
    STORAGE,
    AcceptChanges,
    Address,
    Epochs,
    Fields,
    JobName,
    JobOptions,
    Json,
    Resume,
    Seconds,
    Storage,
    TotalEpochs,
    Trials,
    Workers,
    changes_of,
    job_of,
    limits,
    note,
    with_job_options,
)
from pipeline.errors import NoTrialSucceeded

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.execution.run import Outcome
    from pipeline.study import TuneJob

__all__ = ["resume", "run"]


@with_job_options
def run(
    job: JobName,
    *,
    options: JobOptions,
    storage: Storage = STORAGE,
    resume: Resume = False,
    accept_changes: AcceptChanges = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run a study: draw configs, train them, stop the poor ones, keep the best."""
    tuned = job_of(job, options.changes(storage), storage, resume=resume)
    _carry_out(tuned, storage, resume=resume, accept_changes=accept_changes, address=address, as_json=as_json)


def resume(
    study: Study,
    trials: Trials = None,
    epochs: Epochs = None,
    total_epochs: TotalEpochs = None,
    seconds: Seconds = None,
    workers: Workers = None,
    storage: Storage = STORAGE,
    set_: Fields = None,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Go on with a study: its own job, from the copies in its folder. Nothing happens if it is finished."""
    from pipeline.study import load_study

    changes = changes_of(limits(trials, epochs, total_epochs, seconds, workers), set_)
    where, name = located(study, storage)
    tuned = load_study(study_store(study, storage)).replaced({**changes, "name": name})
    _carry_out(tuned, where, resume=True, accept_changes=False, address=address, as_json=as_json)


def _carry_out(
    tuned: "TuneJob", storage: str, *, resume: bool, accept_changes: bool, address: str | None, as_json: bool
) -> None:
    from rich.console import Console

    from pipeline.execution.progress import Progress
    from pipeline.execution.run import run as run_study

    # The stream of now: while Ray runs, what it prints to stdout goes to a log.
    console = Console(file=sys.stderr if as_json else sys.stdout)
    # What trials print in this process, with --workers 0, must not stand before the one object of --json.
    with redirect_stdout(sys.stderr) if as_json else nullcontext(), _failures_told(tuned.name, storage, console):
        outcome = run_study(
            tuned,
            storage=storage,
            resume=resume,
            accept_changes=accept_changes,
            address=address,
            display=Progress(console),
            note=note,
        )
    _tell(outcome, tuned.name, as_json=as_json)


@contextmanager
def _failures_told(name: str, storage: str, console: "Console") -> Iterator[None]:
    """Where no trial succeeded there is no leaderboard to read the failures from: they are told before the error."""
    try:
        yield
    except NoTrialSucceeded:
        from pipeline.cli.results import print_failures
        from pipeline.results.load import load_results
        from pipeline.storage import Store

        print_failures(load_results(Store(storage).folder(name).uri), console)
        raise


def _tell(outcome: "Outcome", name: str, *, as_json: bool) -> None:
    """The leaderboard, how it ended, and where everything lies."""
    from pipeline.cli.results import show

    if not as_json and outcome.already:
        typer.echo(f"The study {name!r} is finished already; --name starts another, a larger budget goes on with it.\n")
    show(outcome.store, top=10, as_json=as_json)
    if as_json:
        return
    if outcome.message:
        typer.echo(f"\n{outcome.message}")
    if outcome.warning:
        typer.echo(f"\nThe winner could not be exported: {outcome.warning.splitlines()[0]}")

    from pipeline.results.report import write_report

    typer.echo(f"\nstudy   {outcome.store.uri}\nreport  {write_report(outcome.store)}")
