"""`tunepipe list`: the jobs there are."""

import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import Json
from pipeline.legible import legible

__all__ = ["list_jobs"]


def list_jobs(as_json: Json = False) -> None:
    """List the jobs that come along."""
    import tune_jobs

    jobs = tune_jobs.jobs()
    if as_json:
        rows = [
            {
                "name": name,
                "description": job.description,
                "trials": job.budget.trials,
                "epochs": job.budget.epochs,
                "scheduler": job.scheduler.kind,
                "searcher": job.searcher.kind,
            }
            for name, job in jobs.items()
        ]
        typer.echo(json.dumps({"jobs": rows}))
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("job", "scheduler", "trials × epochs", "what it tunes"):
        table.add_column(column)
    for name, job in jobs.items():
        size = f"{job.budget.trials} × {job.budget.epochs}"
        table.add_row(name, job.scheduler.kind, size, Text(legible(job.description)))
    console = Console()
    if not console.is_terminal:
        console.width = 200
    console.print(table)
    console.print("\nStart one with `tunepipe run JOB`; JOB may also be a Python file that exports JOB.", style="dim")
