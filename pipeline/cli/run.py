"""`tunepipe run`: a study from its start, or from where it was, to its end."""

import sys
from typing import Annotated, Any

import typer

from pipeline.cli.options import Json, Storage, assignments

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
    outcome = run_study(tuned, storage=storage, resume=resume, address=address, display=Progress(console))
    _tell(outcome, console, as_json=as_json)


def _tell(outcome: Any, console: Any, *, as_json: bool) -> None:
    """The leaderboard, the winner's test, and where everything lies."""
    from pipeline.results.leaderboard import leaderboard
    from pipeline.results.load import load_results
    from pipeline.results.results_object import results_object

    results = load_results(outcome.store.uri)
    if as_json:
        import json

        sys.stdout.write(json.dumps(results_object(results)) + "\n")
        return
    console.print(leaderboard(results))
