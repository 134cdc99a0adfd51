"""`tunepipe results`, `sql`, `explain` and `compare`: what studies have found, even while they run."""

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console, Group
from rich.text import Text

from pipeline.cli.cluster_options import Cluster, ResultsFolder, say_copied, with_kubernetes
from pipeline.cli.console import command_console, print_object, print_tables, print_text
from pipeline.cli.options import (
    STORAGE,
    Json,
    Storage,
    Study,
    argument,
    option,
    results_of,
    study_store,
    trial_id,
)
from pipeline.errors import UsageError
from pipeline.study.files import as_argument
from pipeline.text import sanitize

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.results.views.table import Table
    from pipeline.storage import Store

Studies = Annotated[list[str] | None, argument("Studies: names in --storage, or paths or URIs of their folders.")]
_TOP = 10
_BELOW = ("front", "bounds", "test split", "ended", "not exported", "changed", "decided")
"""The lines of a study's summary that the leaderboard does not show already."""

_MAX_ROWS = 1000
"""The maximum number of rows that `sql` prints as a table."""


@with_kubernetes
def results(
    study: Study,
    *,
    storage: Storage = STORAGE,
    top: Annotated[
        int | None, option("Number of trials. Default: 10; with --json, all.", "N", min=1, max=10**9)
    ] = None,
    trial: Annotated[str | None, option("Show one trial (id or number): epochs, decisions, error.", "TRIAL")] = None,
    where: Annotated[str | None, option('Condition, for example "lr > 0.01".', "SQL")] = None,
    as_json: Json = False,
    cluster: Cluster,
    values: Annotated[str | None, option("As for `submit`. With --storage, if the RayJob was deleted.", "NAME")] = None,
    to: ResultsFolder = None,
) -> None:
    """Show a leaderboard, selected trials or one trial. STUDY may still run; with --kubernetes it may be a RayJob."""
    if where is not None and (trial is not None or as_json):
        raise UsageError("--where selects rows of the leaderboard: it cannot be combined with --trial and --json.")
    cluster.check_options(values=values, to=to)
    if cluster.kubernetes:
        from pipeline.cluster.download import readable_study

        folder = to or Path("studies")
        storage, study = readable_study(cluster.rayjobs(), study, folder, storage=storage, values=values)
        say_copied(folder / study if storage == str(folder) else None)
    store = study_store(study, storage)
    if trial is not None:
        _show_trial(store, trial_id(trial), as_json=as_json)
        return
    from pipeline.results.tables.load import load_results, postpone_pandas

    postpone_pandas()
    show(found := load_results(store.uri, whole=False), top=top, as_json=as_json, where=where)
    if found.state == "interrupted" and not (as_json or where or cluster.kubernetes):
        print_text(f"\n`tunepipe resume {as_argument(found.location)}` continues it.")


def show(results: "Results", *, top: int | None, as_json: bool, where: str | None = None) -> None:
    """Print a study's results, as `results` does, and `run` at its end."""
    from pipeline.results.tables.sql import select_trials
    from pipeline.results.views.study import leaderboard, results_object, summary, summary_line
    from pipeline.results.views.table import pairs

    if as_json:
        print_object(results_object(results, top))
        return
    console, trials = command_console(), None
    count, most = results.table("trials").num_rows, top or _TOP
    if where is None:
        line = summary_line(results).removeprefix(results.name)
        console.print(Text.assemble((sanitize(results.name), "bold"), sanitize(line)))
        console.print(Text())
    else:
        trials = select_trials(results, where)
        if not trials:
            print_text(f"No trial matches, of {count}.")
            return
        count, trials = len(trials), trials[:most]
    if count:
        console.print(leaderboard(results, top=most, trials=trials))
    if count > most:
        console.print(Text(f"… and {count - most:,} more; --top shows them.", style="dim"))
    if where is None:
        if lines := [(name, text) for name, text in summary(results).items() if name in _BELOW]:
            console.print(Group(Text(), pairs(lines)))
        print_failures(results, console)


def print_failures(results: "Results", console: Console) -> None:
    """Print why trials failed, by cause: the number, the error, the line in the user's code, and the trials."""
    from pipeline.results.views.study import failures_table

    if (table := failures_table(results)).rows:
        console.print(Group(Text(), table))


def _show_trial(store: "Store", wanted: str, *, as_json: bool) -> None:
    from pipeline.results.analysis.queries import place
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.results.views.study import leaderboard
    from pipeline.results.views.table import pairs
    from pipeline.results.views.trial import files_of, trial_lines, trial_tables

    results = load_results(store.uri)
    error = trial_row(results, wanted)["error"]
    tables = trial_tables(results, wanted, files_of(store, wanted))
    if as_json:
        print_tables([leaderboard(results, trials=[wanted]), *tables], study=results.name, location=results.location)
        return
    console, lines = command_console(), trial_lines(results, wanted)
    console.print(Text(sanitize(f"{results.name}  trial {lines.pop('trial')}"), style="bold"))
    console.print(Group(Text(), pairs(list(lines.items()))))
    for table in tables:
        console.print(Group(Text(), table))
    if isinstance(error, str) and error:
        where = place(error)
        console.print(Text.assemble("\n", ("error", "bold"), sanitize(f" at {where}") if where else ""))
        console.print(Text(sanitize(error.rstrip())))


def sql(
    studies: Studies = None,
    *,
    query: Annotated[str, argument("One SELECT of DuckDB over the tables trials, epochs and decisions.", "SELECT")],
    storage: Storage = STORAGE,
    format: Annotated[
        Literal["table", "csv", "json", "parquet"], typer.Option(help="What is printed; parquet is for a file or pipe.")
    ] = "table",
) -> None:
    """Query the tables of studies in SQL. The column `study` has the study's name."""
    from pipeline.results.tables.sql import query as answer_of
    from pipeline.results.views.table import text_table, write_table

    if not studies:
        raise UsageError(
            f"Name studies and then one SELECT; found only {query!r:.100}. For example: `tunepipe sql STUDY "
            '"select trial_id, objective from trials order by objective"`.'
        )
    if format == "parquet" and sys.stdout is not None and sys.stdout.isatty():
        raise UsageError(
            "--format parquet is not for a terminal: redirect it, as in `… --format parquet > rows.parquet`."
        )
    # One more row than a terminal shows: whether there is more is known without it all.
    limit = _MAX_ROWS + 1 if format == "table" else None
    table = answer_of(results_of(studies, storage), query, limit=limit)
    console = command_console()
    if format != "table":
        write_table(table, format, content := io.BytesIO())
        written = content.getvalue()
        if sys.stdout is not None:
            sys.stdout.buffer.write(written if format == "parquet" else sanitize(written.decode()).encode())
        return
    console.print(text_table(table.slice(0, _MAX_ROWS)))
    if not table.num_rows:
        # A narrow terminal shows records instead of columns, and here there are none.
        console.print("No rows.", style="dim")
    elif table.num_rows > _MAX_ROWS:
        console.print(f"… and more rows than these {_MAX_ROWS:,}; --format csv shows all.", style="dim")


def explain(study: Study, storage: Storage = STORAGE, as_json: Json = False) -> None:
    """Explain a study. Shows which hyperparameters mattered, what early stopping saved, and where the time went."""
    from pipeline.results.tables.load import load_results, postpone_pandas
    from pipeline.results.views.explanation import explanation_tables

    postpone_pandas()
    results = load_results(study_store(study, storage).uri, whole=False)
    tables = explanation_tables(results)
    if as_json:
        print_tables(tables, study=results.name, location=results.location)
    else:
        _print_tables(Text(sanitize(results.name), style="bold"), tables)


def compare(
    studies: Studies = None,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Compare studies with the same objective. Says which is better, and with what confidence."""
    from pipeline.results.views.comparison import compared

    comparison = compared(results_of(studies or [], storage))
    if as_json:
        print_tables(comparison.tables, comparable=not comparison.warning)
    else:
        _print_tables(Text(sanitize(comparison.warning), style="bold red"), comparison.tables)


def _print_tables(heading: Text, tables: "Sequence[Table]") -> None:
    """Print tables below a heading, with an empty line before each but the first line."""
    parts: list[Text | Table] = [*([heading] if heading else []), *tables]
    for place, part in enumerate(parts):
        command_console().print(Group(Text(), part) if place else part)
