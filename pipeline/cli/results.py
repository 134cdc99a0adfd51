"""`tunepipe results`: what a study has found, also while it runs; and what became of one trial."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from pipeline.cli.location import called, study_store, trial_id
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.rows import TOP, Rows, names, show_rows
from pipeline.cli.several import outlined, scores, several_board, show_several
from pipeline.cli.tables import Format, Output, format_of, stdout_console
from pipeline.errors import UsageError
from pipeline.legible import legible

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store

__all__ = ["print_failures", "results", "show"]

_CAUSES, _TRIALS = 5, 12
"""More than these are counted, not shown."""

_UNFINISHED = ("waiting", "running")
_WATCH_SECONDS = 2.0


def results(
    studies: Annotated[
        list[str],
        typer.Argument(
            metavar="STUDY",
            help="The study, or several: names within --storage, or paths or URIs of their folders.",
            show_default=False,
        ),
    ],
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
        bool,
        typer.Option(
            "--front", help="Of several objectives: only trials that no other of their study beats in all of them."
        ),
    ] = False,
    format: Format = None,
    output: Output = None,
    trial: Annotated[
        str | None,
        typer.Option(help="One trial instead: its epochs, decisions and error; its id or number.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show it anew until the studies end.")] = False,
    as_json: Json = False,
) -> None:
    """Show a leaderboard of one study or several, rows of your choice, or one trial, also while they run."""
    rows = Rows(
        where=where,
        sort=names(sort, "--sort", "state,-seconds"),
        columns=names(columns, "--columns", "trial_id,objective"),
        front=front,
        shape=format_of(format, output),
        output=output,
        top=top,
    )
    apart = [
        name
        for name, given in {
            "--trial": trial is not None, "--json": as_json, "--watch": watch,
            "--where, --columns, --sort, --front, --format and --output": rows.chosen,
        }.items()
        if given
    ]  # fmt: skip
    if len(apart) > 1 and apart != ["--trial", "--json"]:
        raise UsageError(
            f"{' and '.join(apart)} do not go together. --json prints the whole study, or with --trial one trial; "
            "--format json prints rows of your choice."
        )
    stores = [(study, study_store(study, storage)) for study in studies]
    if trial is not None:
        _show_trial(_only(stores), trial_id(trial), as_json=as_json)
    elif rows.chosen:
        show_rows(_found(stores), rows)
    elif watch:
        _watch(stores, top or TOP)
    else:
        _show(_found(stores), top or TOP, as_json=as_json)


def _only(stores: "Sequence[tuple[str, Store]]") -> "Store":
    """The one study whose trial is meant."""
    if len({store.uri for _, store in stores}) > 1:
        named = ", ".join(study for study, _ in stores)
        raise UsageError(f"--trial shows a trial of one study; found {len(stores)} studies: {named}. Name one of them.")
    return stores[0][1]


def _found(stores: "Sequence[tuple[str, Store]]") -> "Mapping[str, Results]":
    """Results of the studies by what each is called; one named twice counts once."""
    from pipeline.results.load import load_results
    from pipeline.results.query import labels

    places = {store.uri: study for study, store in reversed(stores)}
    return labels([(study, load_results(uri)) for uri, study in reversed(places.items())])


def show(store: "Store", *, top: int, as_json: bool) -> None:
    """Print a study's results: what `results` does, and `run` at its end."""
    _show(_found([(store.uri, store)]), top, as_json=as_json)


def _show(studies: "Mapping[str, Results]", top: int, *, as_json: bool) -> None:
    from pipeline.results.as_object import results_object, several_object

    one = next(iter(studies.values())) if len(studies) == 1 else None
    if as_json:
        typer.echo(json.dumps(results_object(one) if one else several_object(studies.values()), allow_nan=False))
    elif one:
        _show_one(one, top)
    else:
        show_several(studies, top)


def _show_one(found: "Results", top: int) -> None:
    from pipeline.results.front import front_in_words

    told = stdout_console()
    told.print(_board({found.name: found}, top))
    if front := front_in_words(found):
        told.print(Text(legible(f"\n{front[0].upper()}{front[1:]} --front shows the front alone.")), soft_wrap=True)
    print_failures(found, told)
    if found.test:
        told.print(f"\nOn the test set, which no trial has seen:  [bold]{escape(scores(found.test))}[/]")


def _board(studies: "Mapping[str, Results]", top: int) -> Group:
    """Each study in a line, and the best trials."""
    from pipeline.results.leaderboard import leaderboard

    if len(studies) > 1:
        return several_board(studies, top)
    found = next(iter(studies.values()))
    parts: list[RenderableType] = [outlined(found.name, found)]
    if len(found.trials):
        parts += [Text(), leaderboard(found, top=top)]
        if len(found.trials) > top:
            parts.append(Text(f"… and {len(found.trials) - top} more; --top shows them.", style="dim"))
    return Group(*parts)


def _watch(stores: "Sequence[tuple[str, Store]]", top: int) -> None:
    """Show the leaderboard anew until the studies end; then all there is to say. A pipe gets the end alone."""
    from rich.live import Live

    told = stdout_console()
    try:
        with Live(console=told, auto_refresh=False, transient=True) as live:
            while _unfinished(found := _found(stores)):
                if told.is_terminal:
                    live.update(_board(found, top), refresh=True)
                time.sleep(_WATCH_SECONDS)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    finally:
        _show(_found(stores), top, as_json=False)


def _unfinished(studies: "Mapping[str, Results]") -> bool:
    return any(found.state in _UNFINISHED for found in studies.values())


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
