"""`tunepipe studies`: the studies of a storage."""

import json

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.legible import legible

__all__ = ["list_studies"]


def list_studies(storage: Storage = STORAGE, as_json: Json = False) -> None:
    """List the studies of a storage, the newest last."""
    from pipeline.results.as_object import studies_object
    from pipeline.results.numbers import format_number
    from pipeline.results.overview import overview
    from pipeline.storage import Store

    store = Store(storage)
    rows = overview(store)
    if as_json:
        typer.echo(json.dumps(studies_object(rows), allow_nan=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    if not rows:
        console.print(
            f"There is no study in {store.uri}. `tunepipe run JOB` makes one, `tunepipe list` lists the jobs; "
            "--storage names another place.",
            markup=False,
            soft_wrap=True,
        )
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("study", "state", "trials", "epochs", "best", "started"):
        table.add_column(column, justify="right" if column in ("trials", "epochs") else "left")
    for row in rows:
        best = f"{row.metric} {format_number(row.best)}" if row.best is not None else "–"
        started = f"{row.started.astimezone():%Y-%m-%d %H:%M}" if row.started else "–"
        table.add_row(
            Text(legible(row.name)), row.state, str(row.trials), str(row.epochs), Text(legible(best)), started
        )
    console.print(table)
    for row in rows:
        if row.fault:
            console.print(legible(f"\n{row.name}: {row.fault}"), markup=False, soft_wrap=True)
