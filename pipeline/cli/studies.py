"""`tunepipe studies`: the studies in a storage; `tunepipe report`: one of them as an HTML page."""

from pathlib import Path
from typing import Annotated

from pipeline.cli.console import command_console, print_object, print_path
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.study_argument import Study, study_store
from pipeline.cli.table_output import file_option, save


def list_studies(storage: Storage = STORAGE, as_json: Json = False) -> None:
    """List the studies in a storage, newest last."""
    from pipeline.results.tables.load import overview
    from pipeline.results.views.objects import studies_object
    from pipeline.results.views.table import Column, Table
    from pipeline.storage import Store
    from pipeline.text import format_number

    store = Store(storage)
    studies = overview(store)
    if as_json:
        print_object(studies_object(studies))
        return
    console = command_console()
    if not studies:
        console.print(
            f"There is no study in {store.uri}. `tunepipe run JOB` creates one, `tunepipe list` lists the jobs; "
            "--storage names another storage.",
            markup=False,
        )
        return
    columns = [
        Column("study", keep="whole"), Column("state", keep="whole"), Column("trials", right=True, keep="extra"),
        Column("epochs", right=True, keep="extra"), Column("best", keep="whole"), Column("started", keep="extra"),
    ]  # fmt: skip
    rows = [
        {
            "study": one.name, "state": one.state, "trials": one.trials, "epochs": one.epochs,
            "best": None if one.best is None else f"{one.metric} {format_number(one.best)}",
            "started": one.started and f"{one.started.astimezone():%Y-%m-%d %H:%M}",
        }
        for one in studies
    ]  # fmt: skip
    console.print(Table("", columns, rows, more="a wider terminal or --json shows them"))
    for one in studies:
        if one.fault:
            console.print(f"\n{one.name}: {one.fault}", markup=False)


def report(
    study: Study,
    storage: Storage = STORAGE,
    output: Annotated[Path | None, file_option("File to write. Default: report.html of the study.")] = None,
) -> None:
    """Write a study as one self-contained HTML page: summary, leaderboard and pictures."""
    from pipeline.results.report.page import report_page, write_report
    from pipeline.results.tables.load import load_results

    store = study_store(study, storage)
    if output is None:
        print_path(write_report(store))
    else:
        save(output, report_page(load_results(store.uri)))
