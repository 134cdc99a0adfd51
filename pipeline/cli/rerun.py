"""`tunepipe rerun`: trains one trial again, in this process."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.cli.console import command_console
from pipeline.cli.options import STORAGE, Storage, Study, study_store, trial_id
from pipeline.text import sanitize

if TYPE_CHECKING:
    from pipeline.execution.models import RerunEpoch, RerunResult


def rerun(
    study: Study,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="Id or number of the trial.", show_default=False)],
    storage: Storage = STORAGE,
) -> None:
    """Train a trial again, for debugging, and compare. It trains in this process; the study does not change."""
    from pipeline.execution.models import rerun as train_again
    from pipeline.results.tables.load import load_results
    from pipeline.storage.schema import column_of

    store = study_store(study, storage)
    results = load_results(store.uri)
    names, console = results.metric_names, command_console()
    objective = column_of(results.objective.metric, names)

    def print_epoch(epoch: "RerunEpoch") -> None:
        if epoch.epoch == 1:
            # Not before: an error of the call is printed without the header.
            header = f"epoch  {'recorded':>16}  {'now':>16}   {sanitize(names.get(objective, objective))}"
            console.print(Text(header, style="bold"))
        then, now = (f"{of[objective]:.10g}" if objective in of else "–" for of in (epoch.recorded, epoch.metrics))
        differing = ", ".join(names.get(column, column) for column in epoch.differing)
        mark = "" if not epoch.recorded else "equal" if epoch.equal else f"differs in {differing}"
        console.print(Text(sanitize(f"{epoch.epoch:>5}  {then:>16}  {now:>16}   {mark}")))

    _print_verdict(console, train_again(store.uri, trial=trial_id(trial), on_epoch=print_epoch))


def _print_verdict(console: Console, result: "RerunResult") -> None:
    from pipeline.results.analysis.failure_causes import first_line

    lines = []
    if result.other_data:
        lines.append(f"The data differ from those that the study began with: {'; '.join(result.other_data)}.")
    compared = [epoch for epoch in result.epochs if epoch.recorded]
    if compared and result.equal:
        lines.append(f"All {len(compared)} epochs are equal to the last digit." if len(compared) > 1 else "Equal.")
    elif compared:
        first = next(epoch.epoch for epoch in compared if not epoch.equal)
        lines.append(
            f"Not equal from epoch {first} on. Possible causes are another machine, other versions, more threads, or "
            "code that draws random numbers without a seed."
        )
    if result.taken_over is not None:
        lines.append(
            f"From epoch {result.taken_over} on, the trial had continued with another trial's weights; these epochs "
            "are not trained again."
        )
    if result.failure:
        same = first_line(result.failure) == first_line(result.recorded_failure)
        lines.append(f"It failed{' again, in the same way' if same else ''}:\n{result.failure.rstrip()}")
    elif result.recorded_failure:
        lines.append(f"It failed when it was recorded, but not now: {first_line(result.recorded_failure)}")
    for line in lines:
        console.print(Text(sanitize(f"\n{line}")), soft_wrap=True)
