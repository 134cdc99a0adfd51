"""Commands about jobs and studies as a whole: list, studies, report, serve, delete."""

from contextlib import suppress
from typing import Annotated

import typer

from pipeline.cli.console import command_console, moment, print_path, print_tables, print_text
from pipeline.cli.options import STORAGE, Json, Storage, Study, study_store, switch
from pipeline.errors import Interrupted, UsageError
from pipeline.study.files import STORAGE_VARIABLE


def list_jobs() -> None:
    """List the bundled jobs."""
    import tune_jobs
    from pipeline.results.views.table import Column, Table

    columns = [
        Column("job", keep="whole"),
        Column("scheduler", keep="extra"),
        Column("trials", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column("description", keep="wrapped"),
    ]
    rows = [
        {
            "job": name, "description": job.description, "trials": job.budget.trials, "epochs": job.budget.epochs,
            "scheduler": job.scheduler.kind,
        }
        for name, job in tune_jobs.jobs().items()
    ]  # fmt: skip
    command_console().print(Table("", columns, rows))


def list_studies(storage: Storage = STORAGE, as_json: Json = False) -> None:
    """List the studies in a storage, newest last."""
    from pipeline.results.tables.load import overview
    from pipeline.results.views.table import Column, Table
    from pipeline.storage import Store
    from pipeline.text import format_number

    store = Store(storage)
    studies = overview(store)
    columns = [
        Column("study", keep="whole"),
        Column("state", keep="whole"),
        Column("trials", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"),
        Column(
            "best", text=lambda best: f"{best['metric']} {format_number(best['value'])}" if best else "–", keep="whole"
        ),
        Column("started", text=moment, keep="extra"),
    ]
    rows = [
        {
            "study": one.name, "state": one.state, "trials": one.trials, "epochs": one.epochs,
            "started": one.started, "location": one.location, "fault": one.fault,
            "best": None if one.best is None else {"metric": one.metric, "value": one.best},
        }
        for one in studies
    ]  # fmt: skip
    table = Table("", columns, rows, name="studies")
    if as_json:
        print_tables([table])
        return
    if not studies:
        print_text(
            f"There is no study in {store.uri}. `tunepipe run JOB` creates one; --storage names another storage."
        )
        return
    command_console().print(table)
    for one in studies:
        if one.fault:
            print_text(f"\n{one.name}: {one.fault}")


def report(study: Study, storage: Storage = STORAGE) -> None:
    """Write a study as one HTML page, report.html in its folder. It has summary, leaderboard and pictures."""
    from pipeline.results.report.page import write_report

    print_path(write_report(study_store(study, storage)))


def serve(
    storage: Annotated[
        str,
        typer.Argument(metavar="STORAGE", help="Folder or URI of studies.", envvar=STORAGE_VARIABLE, show_envvar=True),
    ] = STORAGE,
    host: Annotated[str, typer.Option(help="Address to listen on; others than loopback need a token.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any free port.")] = 8484,
    control: Annotated[bool, switch("--control", "Allow the page to stop studies and trials, with a token.")] = False,
) -> None:
    """Show studies on a live page. Curves, tables and trials, even while they run."""
    from pipeline.page.server import serve as serve_page
    from pipeline.storage import Store

    def print_address(address: str) -> None:
        print_text(f"The studies of {store.uri} are shown at {address} until Ctrl-C.")

    store = Store(storage)
    # Ctrl-C is the normal end of a server.
    with suppress(KeyboardInterrupt):
        serve_page(store, host=host, port=port, control=control, on_address=print_address)


def delete(
    study: Study,
    storage: Storage = STORAGE,
    yes: Annotated[bool, switch("--yes", "Delete without asking.")] = False,
) -> None:
    """Delete a study, with checkpoints, logs, export and report. Asks first; refuses while the study runs."""
    from pipeline.execution.commands import check_deletable, delete as delete_study

    store = study_store(study, storage)
    if not yes:
        print_text(f"{store.uri} has {check_deletable(store)}")
        try:
            agreed = typer.confirm("Delete all of it?", default=False)
        except typer.Abort as abort:
            if isinstance(abort.__context__, KeyboardInterrupt):
                raise Interrupted("Nothing was deleted.") from None
            raise UsageError("No answer was given, so nothing was deleted. --yes deletes without asking.") from None
        if not agreed:
            print_text("Nothing was deleted.")
            return
    delete_study(store)
    print_text(f"Deleted {store.uri}.")
