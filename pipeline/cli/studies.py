"""`tunepipe studies`: the studies in a storage."""

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import STORAGE, Json, Storage


def list_studies(storage: Storage = STORAGE, as_json: Json = False) -> None:
    """List the studies in a storage, newest last."""
    from pipeline.results.tables.overview import overview
    from pipeline.results.views.fitted_table import Column, FittedTable
    from pipeline.results.views.results_object import studies_object
    from pipeline.storage import Store
    from pipeline.wording import format_number

    store = Store(storage)
    rows = overview(store)
    if as_json:
        print_object(studies_object(rows))
        return
    console = command_console()
    if not rows:
        console.print(
            f"There is no study in {store.uri}. `tunepipe run JOB` creates one, `tunepipe list` lists the jobs; "
            "--storage names another storage.",
            markup=False,
        )
        return
    table = FittedTable(
        [
            Column("study", keep="whole"), Column("state", keep="whole"), Column("trials", right=True, keep="extra"),
            Column("epochs", right=True, keep="extra"), Column("best", keep="whole"), Column("started", keep="extra"),
        ],
        more="a wider terminal or --json shows them",
    )  # fmt: skip
    for row in rows:
        best = f"{row.metric} {format_number(row.best)}" if row.best is not None else "–"
        started = f"{row.started.astimezone():%Y-%m-%d %H:%M}" if row.started else "–"
        table.add_row(row.name, row.state, str(row.trials), str(row.epochs), best, started)
    console.print(table)
    for row in rows:
        if row.fault:
            console.print(f"\n{row.name}: {row.fault}", markup=False)
