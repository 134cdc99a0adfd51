"""`tunepipe run` and `tunepipe resume`: a study from its start, or from where it was, to its end."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import STORAGE, Json, Storage, Study, assignments, located, study_store
from pipeline.errors import NoTrialSucceeded

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.execution.run import Outcome
    from pipeline.study import TuneJob

__all__ = ["resume", "run"]

Trials = Annotated[int | None, typer.Option(help="How many configs are tried.", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="A trial's maximum, in epochs.", show_default=False)]
TotalEpochs = Annotated[
    int | None, typer.Option(help="The study's maximum over all trials, in epochs.", show_default=False)
]
Seconds = Annotated[float | None, typer.Option(help="The study's maximum, in seconds.", show_default=False)]
Workers = Annotated[
    int | None, typer.Option(help="Trials at once; 0 trains in this process, for a debugger.", show_default=False)
]
Address = Annotated[
    str | None, typer.Option(help="A running Ray cluster; this machine unless given.", show_default=False)
]
Fields = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the job, as in space.lr=0.1."),
]


def run(
    job: Annotated[
        str,
        typer.Argument(
            help="A name from `tunepipe list`, or a Python file that exports JOB.", metavar="JOB", show_default=False
        ),
    ],
    trials: Trials = None,
    epochs: Epochs = None,
    total_epochs: TotalEpochs = None,
    seconds: Seconds = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Who stops trials early: asha, pbt or fifo (nobody).", show_default=False),
    ] = None,
    search: Annotated[
        str | None,
        typer.Option(help="Who draws configs: random, grid, sobol, tpe, cma or gp.", show_default=False),
    ] = None,
    workers: Workers = None,
    seed: Annotated[int | None, typer.Option(help="Where every draw comes from.", show_default=False)] = None,
    storage: Storage = STORAGE,
    name: Annotated[str | None, typer.Option(help="The study's name; the job's own unless given.")] = None,
    set_: Fields = None,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the study if there is one; its budget and resources are kept."),
    ] = False,
    accept_changes: Annotated[
        bool, typer.Option("--accept-changes", help="Resume although the job's code, data or domains have changed.")
    ] = False,
    address: Address = None,
    as_json: Json = False,
) -> None:
    """Run a study: draw configs, train them, stop the poor ones, keep the best."""
    import tune_jobs

    given = {
        **_limits(trials, epochs, total_epochs, seconds, workers),
        "scheduler": scheduler,
        "searcher": search,
        "seed": seed,
        "name": name,
    }
    changes = _changes(given, set_)
    found = tune_jobs.find(job)
    if resume:
        from pipeline.execution.resuming import kept
        from pipeline.storage import Store

        study = found.replaced({"name": changes.get("name", found.name)})
        found = kept(found, Store(storage).folder(study.name), _note)
    tuned = found.replaced(changes)
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

    changes = _changes(_limits(trials, epochs, total_epochs, seconds, workers), set_)
    where, name = located(study, storage)
    tuned = load_study(study_store(study, storage)).replaced({**changes, "name": name})
    _carry_out(tuned, where, resume=True, accept_changes=False, address=address, as_json=as_json)


def _limits(
    trials: int | None, epochs: int | None, total_epochs: int | None, seconds: float | None, workers: int | None
) -> dict[str, Any]:
    return {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "resources.workers": workers,
    }


def _changes(given: dict[str, Any], fields: list[str] | None) -> dict[str, Any]:
    return {**{field: value for field, value in given.items() if value is not None}, **assignments(fields or [])}


def _note(what: str) -> None:
    typer.echo(what, err=True)


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
            note=_note,
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
