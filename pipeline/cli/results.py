"""`tunepipe results`: what a study has found, also while it runs; and what became of one trial."""

import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from pipeline.cli.location import Study, called, study_store, trial_id
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.legible import legible

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store

__all__ = ["print_failures", "results", "show"]

_CAUSES, _TRIALS = 5, 12
"""More than these are counted, not shown."""


def results(
    study: Study,
    storage: Storage = STORAGE,
    top: Annotated[int, typer.Option(min=1, help="How many trials the leaderboard shows.")] = 10,
    trial: Annotated[
        str | None,
        typer.Option(help="One trial instead: its epochs, decisions and error; its id or number.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a study's leaderboard and its failures, or one trial, also while it runs."""
    store = study_store(study, storage)
    if trial is None:
        show(store, top=top, as_json=as_json)
    else:
        _show_trial(store, trial_id(trial), as_json=as_json)


def show(store: "Store", *, top: int, as_json: bool) -> None:
    """Print a study's results: what `results` does, and `run` at its end."""
    from pipeline.results.as_object import results_object
    from pipeline.results.leaderboard import format_number, leaderboard, outline
    from pipeline.results.load import load_results

    found = load_results(store.uri)
    if as_json:
        typer.echo(json.dumps(results_object(found), allow_nan=False))
        return
    console = _console()
    name, rest = found.name, outline(found).removeprefix(found.name)
    console.print(Text.assemble((legible(name), "bold"), legible(rest)))
    if len(found.trials):
        console.print()
        console.print(leaderboard(found, top=top))
        if len(found.trials) > top:
            console.print(f"… and {len(found.trials) - top} more; --top shows them.", style="dim")
    print_failures(found, console)
    if found.test:
        scores = "  ".join(f"{escape(legible(metric))} {format_number(value)}" for metric, value in found.test.items())
        console.print(f"\nOn the test set, which no trial has seen:  [bold]{scores}[/]")


def print_failures(found: "Results", console: Console | None = None) -> None:
    """Print why trials failed, by cause: how many, the error, where in the user's code, and which."""
    from pipeline.results.failures import causes
    from pipeline.results.summary import counted

    told = causes(found)
    if not told:
        return
    console = console or _console()
    failed = sum(len(cause.trials) for cause in told)
    console.print(f"\n{counted(failed, 'trial')} failed:")
    for cause in told[:_CAUSES]:
        console.print(Text.assemble(f"  {len(cause.trials)} × ", (legible(cause.what), "red")), soft_wrap=True)
        ids = ", ".join(cause.trials[:_TRIALS]) + (", …" if len(cause.trials) > _TRIALS else "")
        where = f"at {cause.where}; " if cause.where else ""
        plural = "trials" if len(cause.trials) > 1 else "trial"
        console.print(Text(legible(f"      {where}{plural} {ids}")), soft_wrap=True)
    if len(told) > _CAUSES:
        console.print(f"  … and {counted(len(told) - _CAUSES, 'more cause', 'more causes')}.", style="dim")
    example = f"tunepipe results {called(found.location)} --trial {told[0].trials[0]}"
    shown = Text(legible(f"`{example}` shows a trial's whole error."), style="dim")
    console.print(shown, soft_wrap=True)


def _show_trial(store: "Store", wanted: str, *, as_json: bool) -> None:
    from pipeline.results.as_object import trial_object
    from pipeline.results.failures import place
    from pipeline.results.load import load_results
    from pipeline.results.trial import trial_row, trial_view

    found = load_results(store.uri)
    if as_json:
        typer.echo(json.dumps(trial_object(found, wanted), allow_nan=False))
        return
    console = _console()
    console.print(trial_view(found, wanted))
    error = trial_row(found, wanted)["error"]
    if isinstance(error, str) and error:
        where = place(found, error)
        console.print(Text.assemble("\n", ("error", "bold"), legible(f" at {where}") if where else ""))
        console.print(Text(legible(error.rstrip())), soft_wrap=True)


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    return console
