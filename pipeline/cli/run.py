"""`tunepipe run`: a study from its start, or from where it was, to its end."""

import sys
from contextlib import nullcontext, redirect_stdout
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipeline.cli.options import Json, Storage, assignments

if TYPE_CHECKING:
    from pipeline.execution.run import Outcome

__all__ = ["run"]


def run(
    job: Annotated[
        str,
        typer.Argument(help="A name from `tunepipe list`, or a Python file that exports JOB.", show_default=False),
    ],
    trials: Annotated[int | None, typer.Option(help="How many configs are tried.", show_default=False)] = None,
    epochs: Annotated[int | None, typer.Option(help="A trial's maximum, in epochs.", show_default=False)] = None,
    total_epochs: Annotated[
        int | None, typer.Option(help="The study's maximum over all trials, in epochs.", show_default=False)
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="The study's maximum, in seconds.", show_default=False)] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Who stops trials early: asha, pbt or fifo (nobody).", show_default=False),
    ] = None,
    search: Annotated[str | None, typer.Option(help="Who draws configs: random or grid.", show_default=False)] = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Trials at once; 0 trains in this process, for a debugger.", show_default=False),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Where every draw comes from.", show_default=False)] = None,
    storage: Storage = "studies",
    name: Annotated[str | None, typer.Option(help="The study's name; the job's own unless given.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="FIELD=VALUE", help="Any field of the job, as in space.lr=0.1."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the study if there is one.")] = False,
    address: Annotated[
        str | None, typer.Option(help="A running Ray cluster; this machine unless given.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Run a study: draw configs, train them, stop the poor ones, keep the best."""
    import tune_jobs

    given = {
        "budget.trials": trials,
        "budget.epochs": epochs,
        "budget.total_epochs": total_epochs,
        "budget.seconds": seconds,
        "scheduler": scheduler,
        "searcher": search,
        "resources.workers": workers,
        "seed": seed,
        "name": name,
    }
    changes: dict[str, Any] = {field: value for field, value in given.items() if value is not None}
    tuned = tune_jobs.find(job).replaced({**changes, **assignments(set_ or [])})

    from rich.console import Console

    from pipeline.execution.progress import Progress
    from pipeline.execution.run import run as run_study

    # The stream of now: while Ray runs, what it prints to stdout goes to a log.
    console = Console(file=sys.stderr if as_json else sys.stdout)
    # What trials print in this process, with --workers 0, must not stand before the one object of --json.
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        outcome = run_study(tuned, storage=storage, resume=resume, address=address, display=Progress(console))
    _tell(outcome, tuned.name, storage, as_json=as_json)


def _tell(outcome: "Outcome", name: str, storage: str, *, as_json: bool) -> None:
    """The leaderboard, how it ended, and where everything lies."""
    from pipeline.cli.results import show

    if not as_json and outcome.already:
        typer.echo(f"The study {name!r} is finished already; --name starts another, a larger budget goes on with it.\n")
    show(name, storage, top=10, as_json=as_json)
    if as_json:
        return
    if outcome.message:
        typer.echo(f"\n{outcome.message}")
    if outcome.warning:
        typer.echo(f"\nThe winner could not be exported: {outcome.warning.splitlines()[0]}")

    from pipeline.results.report import write_report

    typer.echo(f"\nstudy   {outcome.store.uri}\nreport  {write_report(outcome.store)}")
