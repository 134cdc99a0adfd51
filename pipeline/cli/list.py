"""`tunepipe list`: the bundled jobs."""

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import Json


def list_jobs(as_json: Json = False) -> None:
    """List the bundled jobs."""
    import tune_jobs

    jobs = tune_jobs.jobs()
    rows = [
        {
            "name": name, "description": job.description, "trials": job.budget.trials, "epochs": job.budget.epochs,
            "scheduler": job.scheduler.kind, "searcher": job.searcher.kind,
            "size": f"{job.budget.trials} × {job.budget.epochs}",
        }
        for name, job in jobs.items()
    ]  # fmt: skip
    if as_json:
        print_object({"jobs": [{key: value for key, value in row.items() if key != "size"} for row in rows]})
        return
    from pipeline.results.views.table import Column, Table

    columns = [
        Column("name", "job", keep="whole"), Column("scheduler", keep="extra"),
        Column("size", "trials × epochs", keep="extra"), Column("description", "what it tunes", keep="wrapped"),
    ]  # fmt: skip
    console = command_console()
    console.print(Table("", columns, rows))
    console.print("\nStart one with `tunepipe run JOB`; JOB may also be a Python file that exports JOB.", style="dim")
