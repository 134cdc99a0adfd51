"""`tunepipe results`: what a study has found, also while it runs; and what became of one trial."""

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from pipeline.cli.location import Study, called, study_store, trial_id
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.tables import Format, Output, format_of, give_out, stdout_console
from pipeline.errors import UsageError
from pipeline.legible import legible

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store

__all__ = ["print_failures", "results", "show"]

_TOP, _CAUSES, _TRIALS = 10, 5, 12
"""More than these are counted, not shown."""

_UNFINISHED = ("waiting", "running")
_WATCH_SECONDS = 2.0


def results(
    study: Study,
    storage: Storage = STORAGE,
    top: Annotated[
        int | None, typer.Option(min=1, help="How many trials; 10 on a terminal unless given.", show_default=False)
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Which trials, as in \"config_lr > 0.01 and state = 'completed'\".", show_default=False),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(help="Columns of the table trials, as in trial_id,objective.", show_default=False)
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Columns to sort by, as in state,-seconds; - is downwards.", show_default=False),
    ] = None,
    front: Annotated[
        bool, typer.Option("--front", help="Of several objectives: only trials that no other beats in all of them.")
    ] = False,
    format: Format = None,
    output: Output = None,
    trial: Annotated[
        str | None,
        typer.Option(help="One trial instead: its epochs, decisions and error; its id or number.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew until the study ends.")] = False,
    as_json: Json = False,
) -> None:
    """Show a study's leaderboard and its failures, rows of your choice, or one trial, also while it runs."""
    shape = format_of(format, output)
    order, shown = _names(sort), _names(columns)
    asked = shape != "table" or bool(where is not None or order or shown or front)
    apart = [
        name
        for name, given in {
            "--trial": trial is not None, "--json": as_json, "--watch": watch,
            "--where, --columns, --sort, --front, --format and --output": asked,
        }.items()
        if given
    ]  # fmt: skip
    if len(apart) > 1 and apart != ["--trial", "--json"]:
        raise UsageError(
            f"{' and '.join(apart)} do not go together. --json prints the whole study, or with --trial one trial; "
            "--format json prints rows of your choice."
        )
    store = study_store(study, storage)
    if trial is not None:
        _show_trial(store, trial_id(trial), as_json=as_json)
    elif asked:
        _show_chosen(store, where, order, shown, shape, output, top, front=front)
    elif watch:
        _watch(store, top or _TOP)
    else:
        show(store, top=top or _TOP, as_json=as_json)


def show(store: "Store", *, top: int, as_json: bool) -> None:
    """Print a study's results: what `results` does, and `run` at its end."""
    from pipeline.results.as_object import results_object
    from pipeline.results.front import front_in_words
    from pipeline.results.leaderboard import format_number
    from pipeline.results.load import load_results

    found = load_results(store.uri)
    if as_json:
        typer.echo(json.dumps(results_object(found), allow_nan=False))
        return
    told = stdout_console()
    told.print(_board(found, top))
    if front := front_in_words(found):
        told.print(Text(legible(f"\n{front[0].upper()}{front[1:]} --front shows the front alone.")), soft_wrap=True)
    print_failures(found, told)
    if found.test:
        scores = "  ".join(f"{escape(legible(metric))} {format_number(value)}" for metric, value in found.test.items())
        told.print(f"\nOn the test set, which no trial has seen:  [bold]{scores}[/]")


def _board(found: "Results", top: int) -> Group:
    """The study in a line, and its best trials."""
    from pipeline.results.leaderboard import leaderboard, outline

    name, rest = found.name, outline(found).removeprefix(found.name)
    parts: list[RenderableType] = [Text.assemble((legible(name), "bold"), legible(rest))]
    if len(found.trials):
        parts += [Text(), leaderboard(found, top=top)]
        if len(found.trials) > top:
            parts.append(Text(f"… and {len(found.trials) - top} more; --top shows them.", style="dim"))
    return Group(*parts)


def _watch(store: "Store", top: int) -> None:
    """Show the leaderboard anew until the study ends; then all there is to say. A pipe gets the end alone."""
    from rich.live import Live

    from pipeline.results.load import load_results

    told = stdout_console()
    try:
        with Live(console=told, auto_refresh=False, transient=True) as live:
            while (found := load_results(store.uri)).state in _UNFINISHED:
                if told.is_terminal:
                    live.update(_board(found, top), refresh=True)
                time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        show(store, top=top, as_json=False)


def _show_chosen(
    store: "Store",
    where: str | None,
    sort: list[str],
    columns: list[str],
    shape: str,
    output: Path | None,
    top: int | None,
    *,
    front: bool,
) -> None:
    """Trials of the user's choice; on a terminal, without columns of theirs, as the leaderboard."""
    from pipeline.results.front import pareto_front
    from pipeline.results.leaderboard import leaderboard
    from pipeline.results.load import load_results
    from pipeline.results.query import select_trials

    found = load_results(store.uri)
    only = [point.trial_id for point in pareto_front(found)] if front else None
    if shape == "table" and not columns:
        shown = select_trials(found, where=where, sort=sort, columns=["trial_id"], only=only)["trial_id"].to_pylist()
        told = stdout_console()
        if not shown:
            told.print(f"None of {len(found.trials)} trials is so.")
            return
        told.print(leaderboard(found, top=top or _TOP, only=shown, in_order=bool(sort)))
        if len(shown) > (top or _TOP):
            told.print(f"… and {len(shown) - (top or _TOP)} more; --top shows them.", style="dim")
        return
    # The best first, as on the leaderboard.
    sort = sort or ["-objective" if found.objective.mode == "max" else "objective"]
    table = select_trials(found, where=where, sort=sort, columns=columns or None, only=only)
    limit = top if shape != "table" else None
    give_out(table if limit is None else table.slice(0, limit), shape, output, top=top or _TOP)


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def print_failures(found: "Results", console: Console | None = None) -> None:
    """Print why trials failed, by cause: how many, the error, where in the user's code, and which."""
    from pipeline.results.failures import causes
    from pipeline.results.summary import counted

    told = causes(found)
    if not told:
        return
    console = console or stdout_console()
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
    console = stdout_console()
    console.print(trial_view(found, wanted))
    error = trial_row(found, wanted)["error"]
    if isinstance(error, str) and error:
        where = place(found, error)
        console.print(Text.assemble("\n", ("error", "bold"), legible(f" at {where}") if where else ""))
        console.print(Text(legible(error.rstrip())), soft_wrap=True)
