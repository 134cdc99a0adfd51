"""`tunepipe results`: the results of studies or of one trial, even while they run."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.text import Text

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Namespace,
    RayJobs,
    ResultsFolder,
    copied_study,
    for_kubernetes,
    given_on_command_line,
    refuse_other_options,
)
from pipeline.cli.console import command_console, print_object, print_text
from pipeline.cli.options import STORAGE, Json, Storage, labelled, option, study_argument, study_store, switch, trial_id
from pipeline.cli.table_output import Format, Output, format_of, output_table
from pipeline.errors import Interrupted, UsageError
from pipeline.study.studies import as_argument
from pipeline.text import sanitize

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store

_TOP = 10
_WATCH_SECONDS = 2.0
_BELOW = ("front", "bounds", "test split", "ended", "not exported", "changed", "decided")
"""The lines of a study's summary that the leaderboard does not show already."""


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
    top: Annotated[int | None, option("Number of trials. Default: 10 on a terminal.", "N", min=1)] = None,
    trial: Annotated[str | None, option("Show one trial (id or number): epochs, decisions, error.", "TRIAL")] = None,
    where: Annotated[
        str | None, option("Condition, for example \"config_lr > 0.01 and state = 'completed'\".", "SQL")
    ] = None,
    sort: Annotated[
        str | None, option("Columns to sort by, for example state,-seconds; - means descending.", "NAMES")
    ] = None,
    front: Annotated[bool, switch("--front", "With several objectives: only trials on the Pareto front.")] = False,
    format: Format = None,
    output: Output = None,
    watch: Annotated[bool, switch("--watch", "Update the table until the studies end.")] = False,
    as_json: Json = False,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    values: Annotated[
        str | None,
        for_kubernetes("whose pods mount the storage, as for `submit`, for a study without a RayJob (with --storage)"),
    ] = None,
    to: ResultsFolder = Path("studies"),
) -> None:
    """Show a leaderboard, selected trials or one trial. Studies may still run."""
    shape = format_of(format, output)
    chosen = shape != "table" or where is not None or sort is not None or front
    ways = {
        "--trial": trial is not None, "--json": as_json, "--watch": watch, "--top": top is not None,
        "--where, --sort, --front, --format and --output": chosen,
    }  # fmt: skip
    apart = [name for name, given in ways.items() if given]
    if len(apart) - (not ways["--trial"] and ways["--top"]) > 1 and apart != ["--trial", "--json"]:
        raise UsageError(
            f"{' and '.join(apart)} cannot be combined. --json prints the whole study, or with --trial one trial; "
            "--format json prints the selected rows."
        )
    refuse_other_options(asked, kubernetes=kubernetes)
    if kubernetes:
        if watch:
            raise UsageError(f"--watch follows no cluster: `tunepipe logs {studies[0]} --follow --kubernetes` does.")
        place = storage if given_on_command_line(asked, "storage") else None
        found = [copied_study(study, to, context, namespace, storage=place, values=values) for study in studies]
        stores = [(study, study_store(study, copied)) for copied, study in found]
    else:
        stores = [(study, study_store(study, storage)) for study in studies]
    if trial is not None:
        if len({store.uri for _, store in stores}) > 1:
            raise UsageError(f"--trial shows a trial of one study; found {', '.join(studies)}. Name one of them.")
        _show_trial(stores[0][1], trial_id(trial), as_json=as_json)
    elif chosen:
        if len(stores) > 1:
            raise UsageError("--where, --sort, --front, --format and --output take one study, `tunepipe sql` several.")
        (one,) = labelled(stores).values()
        sorted_by = [name.strip() for name in (sort or "").split(",") if name.strip()]
        _show_rows(one, f"front and (\n{where or 'true'}\n)" if front else where, sorted_by, shape, output, top)
    elif watch:
        _watch(stores, top or _TOP)
    else:
        loaded = labelled(stores)
        _show(loaded, top, as_json=as_json)
        for label, each in loaded.items():
            if each.state == "interrupted" and not as_json and not kubernetes:
                name = f"{label}: " if len(loaded) > 1 else ""
                print_text(f"\n{name}`tunepipe resume {as_argument(each.location)}` continues it.")


def show(store: "Store", *, top: int | None, as_json: bool) -> None:
    """Print a study's results, as `results` does, and `run` at its end."""
    _show(labelled([(store.uri, store)]), top, as_json=as_json)


def _show(studies: "Mapping[str, Results]", top: int | None, *, as_json: bool) -> None:
    from pipeline.results.views.study import summary

    if as_json:
        from pipeline.results.views.study import results_object

        objects = [results_object(results, top) for results in studies.values()]
        print_object(objects[0] if len(objects) == 1 else {"studies": objects})
        return
    console = command_console()
    for number, (label, results) in enumerate(studies.items()):
        console.print(Group(*[Text()] * bool(number), _board({label: results}, top or _TOP)))
        _print_lines(console, {name: text for name, text in summary(results).items() if name in _BELOW})
        print_failures(results, console)


def print_failures(results: "Results", console: Console) -> None:
    """Print why trials failed, by cause: the number, the error, the line in the user's code, and the trials."""
    from pipeline.results.views.study import failures_table

    if (table := failures_table(results)).rows:
        console.print(Group(Text(), table))


def _print_lines(console: Console, lines: Mapping[str, str]) -> None:
    from pipeline.results.views.table import pairs

    if lines:
        console.print(Group(Text(), pairs(list(lines.items()))))


def _board(studies: "Mapping[str, Results]", top: int) -> Group:
    """A line for each study, and a table of its best trials."""
    from pipeline.results.views.study import leaderboard, summary_line

    parts: list[RenderableType] = []
    for label, results in studies.items():
        board, count = leaderboard(results, top=top), results.table("trials").num_rows
        line = summary_line(results).removeprefix(results.name)
        parts += [*[Text()] * bool(parts), Text.assemble((sanitize(label), "bold"), sanitize(line))]
        parts += [Text(), board] if count else []
        parts += _rest(count - len(board.rows))
    return Group(*parts)


def _rest(left: int) -> list[Text]:
    return [Text(f"… and {left:,} more; --top shows them.", style="dim")] if left > 0 else []


def _show_rows(
    results: "Results", where: str | None, sort: "Sequence[str]", shape: str, output: Path | None, top: int | None
) -> None:
    """Print or write the selected trials; on a terminal, as the leaderboard."""
    import pyarrow as pa
    import pyarrow.compute as pc

    from pipeline.results.tables.sql import select_trials
    from pipeline.results.views.study import leaderboard

    matching, trials = select_trials(results, where, sort), results.table("trials")
    if shape != "table":
        rows = pc.index_in(pa.array(matching[:top], pa.string()), value_set=trials["trial_id"])
        output_table(trials.take(rows), shape, output)
    elif matching:
        board = leaderboard(results, trials=matching[: top or _TOP])
        command_console().print(Group(board, *_rest(len(matching) - len(board.rows))))
    else:
        print_text(f"None of {trials.num_rows} trials matches.")


def _watch(stores: "Sequence[tuple[str, Store]]", top: int) -> None:
    """Update the leaderboard until the studies end, then print the results. A pipe gets the final results only."""
    from rich.live import Live

    console = command_console()
    try:
        with Live(console=console, auto_refresh=False, transient=True) as live:
            while True:
                before, studies = time.monotonic(), labelled(stores)
                if not any(results.state in ("waiting", "running") for results in studies.values()):
                    break
                if console.is_terminal:
                    live.update(_board(studies, top), refresh=True)
                # Reading a large study takes a part of the time only.
                time.sleep(max(_WATCH_SECONDS, 3 * (time.monotonic() - before)))
    except KeyboardInterrupt:
        raise typer.Exit(Interrupted.exit_code) from None
    finally:
        _show(labelled(stores), top, as_json=False)


def _show_trial(store: "Store", wanted: str, *, as_json: bool) -> None:
    from pipeline.results.analysis.failure_causes import place
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.results.views.trial import files_of, trial_lines, trial_object, trial_tables

    results = load_results(store.uri)
    error, files = trial_row(results, wanted)["error"], files_of(store, wanted)
    if as_json:
        print_object(trial_object(results, wanted, files))
        return
    console, lines = command_console(), trial_lines(results, wanted)
    console.print(Text(sanitize(f"{results.name}  trial {lines.pop('trial')}"), style="bold"))
    _print_lines(console, lines)
    for table in trial_tables(results, wanted, files):
        console.print(Group(Text(), table))
    if isinstance(error, str) and error:
        where = place(results, error)
        console.print(Text.assemble("\n", ("error", "bold"), sanitize(f" at {where}") if where else ""))
        console.print(Text(sanitize(error.rstrip())))
