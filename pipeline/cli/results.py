"""`tunepipe results`: the results of a study or of one of its trials, even while it runs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from rich.console import Console, Group
from rich.text import Text

from pipeline.cli.cluster_options import (
    Cluster,
    ResultsFolder,
    for_kubernetes,
    refuse_without_kubernetes,
    say_copied,
    with_kubernetes,
)
from pipeline.cli.console import command_console, print_object, print_text
from pipeline.cli.options import STORAGE, Json, Storage, option, study_argument, study_store, trial_id
from pipeline.errors import UsageError
from pipeline.study.studies import as_argument
from pipeline.text import sanitize

if TYPE_CHECKING:
    from pipeline.results import Results
    from pipeline.storage import Store

_TOP = 10
_BELOW = ("front", "bounds", "test split", "ended", "not exported", "changed", "decided")
"""The lines of a study's summary that the leaderboard does not show already."""


@with_kubernetes
def results(
    study: Annotated[
        str,
        study_argument(
            "Name of the study in --storage, or the path or URI of its folder; with --kubernetes a RayJob or its study."
        ),
    ],
    *,
    storage: Storage = STORAGE,
    top: Annotated[int | None, option("Number of trials. Default: 10; with --json, all.", "N", min=1)] = None,
    trial: Annotated[str | None, option("Show one trial (id or number): epochs, decisions, error.", "TRIAL")] = None,
    where: Annotated[
        str | None, option("Condition, for example \"config_lr > 0.01 and state = 'completed'\".", "SQL")
    ] = None,
    as_json: Json = False,
    cluster: Cluster,
    values: Annotated[
        str | None,
        for_kubernetes("whose pods mount the storage, as for `submit`, for a study without a RayJob (with --storage)"),
    ] = None,
    to: ResultsFolder = None,
) -> None:
    """Show a leaderboard, selected trials or one trial. The study may still run."""
    given = {"--trial": trial is not None, "--where": where is not None, "--json": as_json, "--top": top is not None}
    chosen = [name for name, is_given in given.items() if is_given]
    if len(chosen) > 1 and chosen not in (["--trial", "--json"], ["--where", "--top"], ["--json", "--top"]):
        raise UsageError(f"{' and '.join(chosen)} cannot be combined.")
    refuse_without_kubernetes(cluster, values=values, to=to)
    if cluster.kubernetes:
        from pipeline.cluster.download import readable_study

        folder = to or Path("studies")
        storage, study = readable_study(cluster.rayjobs(), study, folder, storage=storage, values=values)
        say_copied(folder / study if storage == str(folder) else None)
    store = study_store(study, storage)
    if trial is not None:
        _show_trial(store, trial_id(trial), as_json=as_json)
        return
    found = show(store, top=top, as_json=as_json, where=where)
    if found.state == "interrupted" and not (as_json or where or cluster.kubernetes):
        print_text(f"\n`tunepipe resume {as_argument(found.location)}` continues it.")


def show(store: "Store", *, top: int | None, as_json: bool, where: str | None = None) -> "Results":
    """Print a study's results, as `results` does, and `run` at its end."""
    from pipeline.results.tables.load import load_results, postpone_pandas
    from pipeline.results.tables.sql import select_trials
    from pipeline.results.views.study import leaderboard, results_object, summary, summary_line
    from pipeline.results.views.table import pairs

    postpone_pandas()
    results = load_results(store.uri)
    if as_json:
        print_object(results_object(results, top))
        return results
    console, trials = command_console(), None
    count, most = results.table("trials").num_rows, top or _TOP
    if where is None:
        line = summary_line(results).removeprefix(results.name)
        console.print(Text.assemble((sanitize(results.name), "bold"), sanitize(line)))
        console.print(Text())
    else:
        trials = select_trials(results, where)
        if not trials:
            print_text(f"None of {count} trials matches.")
            return results
        count, trials = len(trials), trials[:most]
    if count:
        console.print(leaderboard(results, top=most, trials=trials))
    if count > most:
        console.print(Text(f"… and {count - most:,} more; --top shows them.", style="dim"))
    if where is None:
        if lines := [(name, text) for name, text in summary(results).items() if name in _BELOW]:
            console.print(Group(Text(), pairs(lines)))
        print_failures(results, console)
    return results


def print_failures(results: "Results", console: Console) -> None:
    """Print why trials failed, by cause: the number, the error, the line in the user's code, and the trials."""
    from pipeline.results.views.study import failures_table

    if (table := failures_table(results)).rows:
        console.print(Group(Text(), table))


def _show_trial(store: "Store", wanted: str, *, as_json: bool) -> None:
    from pipeline.results.analysis.failure_causes import place
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.results.views.table import pairs
    from pipeline.results.views.trial import files_of, trial_lines, trial_object, trial_tables

    results = load_results(store.uri)
    error, files = trial_row(results, wanted)["error"], files_of(store, wanted)
    if as_json:
        print_object(trial_object(results, wanted, files))
        return
    console, lines = command_console(), trial_lines(results, wanted)
    console.print(Text(sanitize(f"{results.name}  trial {lines.pop('trial')}"), style="bold"))
    console.print(Group(Text(), pairs(list(lines.items()))))
    for table in trial_tables(results, wanted, files):
        console.print(Group(Text(), table))
    if isinstance(error, str) and error:
        where = place(results, error)
        console.print(Text.assemble("\n", ("error", "bold"), sanitize(f" at {where}") if where else ""))
        console.print(Text(sanitize(error.rstrip())))
