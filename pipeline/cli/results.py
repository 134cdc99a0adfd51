"""`tunepipe results`: the results of studies or of one trial, even while they run."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.text import Text

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Namespace,
    RayJobs,
    ResultsFolder,
    given_on_command_line,
    refuse_other_options,
)
from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.rows import TOP, Rows, names, show_rows
from pipeline.cli.several_studies import print_how_to_continue, scores, several_board, show_several, study_line
from pipeline.cli.study_argument import study_argument, study_store, trial_id
from pipeline.cli.table_output import Format, Output, format_of
from pipeline.errors import Interrupted, UsageError
from pipeline.sanitize import sanitize
from pipeline.study.studies import as_argument
from pipeline.wording import capitalized

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store


_CAUSES, _TRIALS = 5, 12
"""Largest number of items to list; the others are counted."""

_UNFINISHED = ("waiting", "running")
_WATCH_SECONDS = 2.0


def results(
    asked: typer.Context,
    studies: Annotated[
        list[str],
        study_argument(
            "One or more studies: names in --storage, or paths or URIs of their folders; with --kubernetes RayJobs or "
            "their studies."
        ),
    ],
    storage: Storage = STORAGE,
    top: Annotated[
        int | None, typer.Option(min=1, help="Number of trials to show. Default: 10 on a terminal.", show_default=False)
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            help="SQL condition, for example \"config_lr > 0.01 and state = 'completed'\".", show_default=False
        ),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(help="Columns of the table trials, for example trial_id,objective.", show_default=False),
    ] = None,
    sort: Annotated[
        str | None,
        typer.Option(help="Columns to sort by, for example state,-seconds; - means descending.", show_default=False),
    ] = None,
    front: Annotated[
        bool,
        typer.Option("--front", help="With several objectives: only trials on the Pareto front."),
    ] = False,
    format: Format = None,
    output: Output = None,
    trial: Annotated[
        str | None,
        typer.Option(help="Show one trial, by id or number: its epochs, decisions and error.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Update the table until the studies end.")] = False,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    overlay: Annotated[
        str | None,
        typer.Option(
            help="With --kubernetes and --storage: the overlay whose pods mount the storage, for a study without a "
            "RayJob.",
            show_default=False,
        ),
    ] = None,
    to: ResultsFolder = Path("studies"),
    as_json: Json = False,
) -> None:
    """Show the leaderboard of one or more studies, selected trials, or one trial; even while studies run."""
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
            f"{' and '.join(apart)} cannot be combined. --json prints the whole study, or with --trial one trial; "
            "--format json prints the selected rows."
        )
    if top is not None and trial is not None:
        raise UsageError("--top and --trial cannot be combined: --top shows the best trials, --trial shows one trial.")
    refuse_other_options(asked, kubernetes=kubernetes, nothing="Nothing was read.")
    if kubernetes:
        from pipeline.cli.rayjobs import copied_study

        if watch:
            raise UsageError(
                f"--watch does not work with --kubernetes. To follow the study: `tunepipe logs {studies[0]} --follow "
                "--kubernetes`."
            )
        place = storage if given_on_command_line(asked, "storage") else None
        found = [copied_study(study, to, context, namespace, storage=place, overlay=overlay) for study in studies]
        stores = [(study, study_store(study, where)) for where, study in found]
    else:
        stores = [(study, study_store(study, storage)) for study in studies]
    if trial is not None:
        _show_trial(_only(stores), trial_id(trial), as_json=as_json)
    elif rows.chosen:
        show_rows(_found(stores), rows)
    elif watch:
        _watch(stores, top or TOP)
    else:
        shown = _found(stores)
        _show(shown, top, as_json=as_json)
        if not as_json and not kubernetes:
            print_how_to_continue(shown)


def _only(stores: "Sequence[tuple[str, Store]]") -> "Store":
    """The study of `--trial`."""
    if len({store.uri for _, store in stores}) > 1:
        named = ", ".join(study for study, _ in stores)
        raise UsageError(f"--trial shows a trial of one study; found {len(stores)} studies: {named}. Name one of them.")
    return stores[0][1]


def _found(
    stores: "Sequence[tuple[str, Store]]", read: "Callable[[str], Results] | None" = None
) -> "Mapping[str, Results]":
    """The results of studies by label; a study that is named twice counts once."""
    from pipeline.results.tables.arrow_or_frame import postpone_pandas
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.study_labels import labels

    postpone_pandas()
    places = {store.uri: study for study, store in reversed(stores)}
    return labels([(study, (read or load_results)(uri)) for uri, study in reversed(places.items())])


def show(store: "Store", *, top: int | None, as_json: bool) -> None:
    """Print a study's results, as `results` does, and `run` at its end.

    Args:
        store: The study's folder.
        top: The maximum number of trials; None for 10 in the table, and all as JSON.
        as_json: Whether to print one JSON object.
    """
    _show(_found([(store.uri, store)]), top, as_json=as_json)


def _show(studies: "Mapping[str, Results]", top: int | None, *, as_json: bool) -> None:
    only = next(iter(studies.values())) if len(studies) == 1 else None
    if as_json:
        from pipeline.results.views.results_object import objects_of_studies, results_object

        print_object(results_object(only, top) if only else objects_of_studies(studies.values(), top))
    elif only:
        _show_one(only, top or TOP)
    else:
        show_several(studies, top or TOP)


def _show_one(results: "Results", top: int) -> None:
    from pipeline.results.views.summary import (
        accepted_changes_in_words,
        ending_in_words,
        front_in_words,
        hypervolume_in_words,
        study_decisions_in_words,
        winner_failure_in_words,
    )

    console = command_console()
    console.print(_board({results.name: results}, top))
    about_study = (ending_in_words, winner_failure_in_words, accepted_changes_in_words, study_decisions_in_words)
    for text in filter(None, (in_words(results) for in_words in about_study)):
        console.print(Text(sanitize(f"\n{text}")))
    if front := front_in_words(results):
        console.print(Text(sanitize(f"\n{capitalized(front)} --front shows the front alone.")))
    if hypervolume := hypervolume_in_words(results):
        console.print(Text(sanitize(f"\n{hypervolume}")))
    print_failures(results, console)
    if results.test:
        console.print(f"\nOn the test set, which no trial has seen:  [bold]{escape(scores(results.test))}[/]")


def _board(studies: "Mapping[str, Results]", top: int) -> Group:
    """A line for each study, and a table of the best trials."""
    from pipeline.results.views.leaderboard import leaderboard

    if len(studies) > 1:
        return several_board(studies, top)
    results = next(iter(studies.values()))
    parts: list[RenderableType] = [study_line(results.name, results)]
    if trials := results.table("trials").num_rows:
        parts += [Text(), leaderboard(results, top=top)]
        if trials > top:
            parts.append(Text(f"… and {trials - top} more; --top shows them.", style="dim"))
    return Group(*parts)


def _watch(stores: "Sequence[tuple[str, Store]]", top: int) -> None:
    """Update the leaderboard until the studies end, then print the results. A pipe gets the final results only."""
    from rich.live import Live

    from pipeline.results.tables.reread import Rereader

    console, reread = command_console(), Rereader().results
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while True:
                before = time.monotonic()
                if not _unfinished(studies := _found(stores, reread)):
                    break
                if console.is_terminal:
                    live.update(_board(studies, top), refresh=True)
                # Reading a large study takes a part of the time only.
                time.sleep(max(_WATCH_SECONDS, 3 * (time.monotonic() - before)))
    except KeyboardInterrupt:
        raise typer.Exit(Interrupted.exit_code) from None
    finally:
        _show(_found(stores), top, as_json=False)


def _unfinished(studies: "Mapping[str, Results]") -> bool:
    return any(results.state in _UNFINISHED for results in studies.values())


def print_failures(results: "Results", console: Console | None = None) -> None:
    """Print why trials failed, by cause: the number, the error, the line in the user's code, and the trials."""
    from pipeline.results.analysis.failure_causes import causes
    from pipeline.wording import counted

    groups = causes(results)
    if not groups:
        return
    console = console or command_console()
    failed = sum(len(cause.trials) for cause in groups)
    console.print(f"\n{counted(failed, 'trial')} failed:")
    for cause in groups[:_CAUSES]:
        console.print(Text.assemble(f"  {len(cause.trials)} × ", (sanitize(cause.what), "red")))
        ids = ", ".join(cause.trials[:_TRIALS]) + (", …" if len(cause.trials) > _TRIALS else "")
        where = f"at {cause.where}; " if cause.where else ""
        plural = "trials" if len(cause.trials) > 1 else "trial"
        console.print(Text(sanitize(f"      {where}{plural} {ids}")))
    if len(groups) > _CAUSES:
        console.print(f"  … and {counted(len(groups) - _CAUSES, 'more cause', 'more causes')}.", style="dim")
    example = f"tunepipe results {as_argument(results.location)} --trial {groups[0].trials[0]}"
    shown = Text(sanitize(f"`{example}` shows a trial's whole error."), style="dim")
    console.print(shown)


def _show_trial(store: "Store", wanted: str, *, as_json: bool) -> None:
    from pipeline.results.analysis.failure_causes import place
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.results.tables.user_files import files_of
    from pipeline.results.views.results_object import trial_object
    from pipeline.results.views.trial_view import trial_view

    results = load_results(store.uri)
    trial_row(results, wanted)
    files = files_of(store, wanted)
    if as_json:
        print_object(trial_object(results, wanted, files))
        return
    console = command_console()
    console.print(trial_view(results, wanted, files))
    error = trial_row(results, wanted)["error"]
    if isinstance(error, str) and error:
        where = place(results, error)
        console.print(Text.assemble("\n", ("error", "bold"), sanitize(f" at {where}") if where else ""))
        console.print(Text(sanitize(error.rstrip())))
