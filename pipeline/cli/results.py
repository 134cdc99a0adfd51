"""`tunepipe results`: what a study has found, also while it runs."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pipeline.cli.options import Json, Name, Storage
from pipeline.legible import legible

__all__ = ["results", "show"]


def results(
    name: Name,
    storage: Storage = "studies",
    top: Annotated[int, typer.Option(min=1, help="How many trials the leaderboard shows.")] = 10,
    as_json: Json = False,
) -> None:
    """Show a study's leaderboard, also while it runs."""
    show(name, storage, top=top, as_json=as_json)


def show(name: str, storage: str, *, top: int, as_json: bool) -> None:
    """Print a study's results: what `results` does, and `run` at its end."""
    from pipeline.results.as_object import results_object
    from pipeline.results.leaderboard import format_number, leaderboard
    from pipeline.results.load import load_results
    from pipeline.storage import Store

    found = load_results(Store(storage).folder(name).uri)
    if as_json:
        typer.echo(json.dumps(results_object(found), allow_nan=False))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    counts = found.trials["state"].value_counts()
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    epochs = len(found.epochs)
    console.print(f"[bold]{found.name}[/]  {found.state}, {states or 'no trials yet'}; {epochs} epochs", style="")
    if len(found.trials):
        console.print()
        console.print(leaderboard(found, top=top))
        if len(found.trials) > top:
            console.print(f"… and {len(found.trials) - top} more; --top shows them.", style="dim")
    if found.test:
        scores = "  ".join(f"{escape(legible(metric))} {format_number(value)}" for metric, value in found.test.items())
        console.print(f"\nOn the test set, which no trial has seen:  [bold]{scores}[/]")
