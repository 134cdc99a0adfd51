"""`tunepipe rerun`: trains one trial again, in this process."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.cli.console import command_console
from pipeline.cli.options import STORAGE, Storage, Study, study_store, trial_id
from pipeline.errors import UsageError
from pipeline.text import sanitize

if TYPE_CHECKING:
    from pipeline.execution.rerun import RerunEpoch, RerunResult
    from pipeline.results import Results


def rerun(
    study: Study,
    trial: Annotated[
        str | None, typer.Argument(metavar="TRIAL", help="Id or number of the trial.", show_default=False)
    ] = None,
    storage: Storage = STORAGE,
    option: Annotated[
        str | None, typer.Option("--trial", help="The same as the argument TRIAL.", show_default=False)
    ] = None,
) -> None:
    """Train a trial's config again in this process, for debugging, and compare. The study does not change."""
    from pipeline.execution.rerun import rerun as train_again
    from pipeline.results.tables.load import load_results
    from pipeline.storage.schema import column_of

    store = study_store(study, storage)
    results = load_results(store.uri)
    wanted = _named_trial(results, study, trial, option)
    column = column_of(results.objective.metric, results.metric_names)
    console = command_console()
    result = train_again(
        store.uri, trial=wanted, on_epoch=lambda epoch: _print_epoch(console, epoch, column, results.metric_names)
    )
    _print_verdict(console, result)


def _named_trial(results: "Results", study: str, argument: str | None, option: str | None) -> str:
    """The id of the trial of a command line."""
    from pipeline.results.tables.trials import trials_in_words

    if argument is not None and option is not None:
        raise UsageError(f"Name one trial; found {argument} and --trial {option}.")
    named = option if argument is None else argument
    if named is None:
        raise UsageError(f"Name the trial: `tunepipe rerun {study} TRIAL`. {trials_in_words(results)}")
    return trial_id(named)


def _print_epoch(console: Console, epoch: "RerunEpoch", metric: str, names: Mapping[str, str]) -> None:
    """Print a line of an epoch: the objective, by its column, and what differs, by the names of the metrics."""
    if epoch.epoch == 1:
        # Not before: an error of the call is printed without the header.
        console.print(
            Text(f"epoch  {'recorded':>16}  {'now':>16}   {sanitize(names.get(metric, metric))}", style="bold")
        )
    then = f"{epoch.recorded[metric]:.10g}" if metric in epoch.recorded else "–"
    now = f"{epoch.metrics[metric]:.10g}" if metric in epoch.metrics else "–"
    differing = ", ".join(names.get(column, column) for column in epoch.differing)
    mark = "" if not epoch.recorded else "equal" if epoch.equal else f"differs in {differing}"
    console.print(Text(sanitize(f"{epoch.epoch:>5}  {then:>16}  {now:>16}   {mark}")))


def _print_verdict(console: Console, result: "RerunResult") -> None:
    from pipeline.results.analysis.failure_causes import first_line

    if result.other_data:
        text = f"\nThe data differ from those that the study began with: {'; '.join(result.other_data)}."
        console.print(Text(sanitize(text)))
    compared = [epoch for epoch in result.epochs if epoch.recorded]
    if compared and result.equal:
        console.print(f"\nAll {len(compared)} epochs are equal to the last digit." if len(compared) > 1 else "\nEqual.")
    elif compared:
        first = next(epoch.epoch for epoch in compared if not epoch.equal)
        console.print(
            f"\nNot equal from epoch {first} on. Possible causes are another machine, other versions, more threads, "
            "or code that draws random numbers without a seed.",
            soft_wrap=True,
        )
    if result.taken_over is not None:
        console.print(
            f"From epoch {result.taken_over} on, the trial had continued with another trial's weights; these epochs "
            "are not trained again.",
            soft_wrap=True,
        )
    if result.failure:
        same = first_line(result.failure) == first_line(result.recorded_failure)
        console.print("\nIt failed again, in the same way:" if same else "\nIt failed:", style="bold")
        console.print(Text(sanitize(result.failure.rstrip())))
    elif result.recorded_failure:
        console.print(
            Text(sanitize(f"\nIt failed when it was recorded, but not now: {first_line(result.recorded_failure)}"))
        )
