"""`tunepipe list`: the bundled jobs."""

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import Json


def list_jobs(as_json: Json = False) -> None:
    """List the bundled jobs."""
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
        print_object({"jobs": rows})
        return
    from pipeline.results.views.fitted_table import Column, FittedTable

    table = FittedTable(
        [
            Column("job", keep="whole"), Column("scheduler", keep="extra"), Column("trials × epochs", keep="extra"),
            Column("what it tunes", keep="wrapped"),
        ]
    )  # fmt: skip
    for name, job in jobs.items():
        table.add_row(name, job.scheduler.kind, f"{job.budget.trials} × {job.budget.epochs}", job.description)
    console = command_console()
    console.print(table)
    console.print("\nStart one with `tunepipe run JOB`; JOB may also be a Python file that exports JOB.", style="dim")
