"""`tunepipe rerun`: one trial once more, in this process."""

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from pipeline.cli.location import Study, study_store, trial_id
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.tables import stdout_console
from pipeline.legible import legible

if TYPE_CHECKING:
    from pipeline.execution.rerun import Again, EpochAgain

__all__ = ["rerun"]


def rerun(
    study: Study,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help="The trial's id or number.", show_default=False)],
    storage: Storage = STORAGE,
) -> None:
    """Train a trial's config again in this process, for a debugger, and compare; the study stays as it is."""
    from pipeline.execution.rerun import rerun as train_again
    from pipeline.results.load import load_results
    from pipeline.storage.schema import metric_column

    store, wanted = study_store(study, storage), trial_id(trial)
    metric = metric_column(load_results(store.uri).objective.metric)
    told = stdout_console()
    again = train_again(store, wanted, tell=lambda epoch: _tell(told, epoch, metric))
    _judge(told, again)


def _tell(told: Console, epoch: "EpochAgain", metric: str) -> None:
    if epoch.epoch == 1:
        # Not before: what is wrong with the call stands alone.
        told.print(Text(f"epoch  {'recorded':>16}  {'now':>16}   {legible(metric)}", style="bold"))
    then = f"{epoch.then[metric]:.10g}" if metric in epoch.then else "–"
    now = f"{epoch.now[metric]:.10g}" if metric in epoch.now else "–"
    differ = [name for name, value in epoch.then.items() if epoch.now.get(name) != value]
    mark = "" if not epoch.then else "equal" if epoch.equal else f"differs in {', '.join(differ)}"
    told.print(Text(legible(f"{epoch.epoch:>5}  {then:>16}  {now:>16}   {mark}")), soft_wrap=True)


def _judge(told: Console, again: "Again") -> None:
    from pipeline.results.failures import first_line

    compared = [epoch for epoch in again.epochs if epoch.then]
    if compared and again.equal:
        told.print(f"\nAll {len(compared)} epochs are equal to the last digit." if len(compared) > 1 else "\nEqual.")
    elif compared:
        first = next(epoch.epoch for epoch in compared if not epoch.equal)
        told.print(
            f"\nNot equal from epoch {first} on. Another machine, other versions, more threads or code that draws "
            "without a seed make such differences.",
            soft_wrap=True,
        )
    if again.taken_over is not None:
        told.print(
            f"From epoch {again.taken_over} on the trial went on from another's weights: that was not trained again.",
            soft_wrap=True,
        )
    if again.failure:
        alike = first_line(again.failure) == first_line(again.then)
        told.print("\nIt failed again, in the same way:" if alike else "\nIt failed:", style="bold")
        told.print(Text(legible(again.failure.rstrip())), soft_wrap=True)
    elif again.then:
        told.print(Text(legible(f"\nIt had failed before, and did not now: {first_line(again.then)}")), soft_wrap=True)
