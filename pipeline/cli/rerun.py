"""`tunepipe rerun`: trains one trial again, in this process."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.cli.console import print_text
from pipeline.cli.options import STORAGE, Storage, Study, study_store, trial_id

if TYPE_CHECKING:
    from pipeline.execution.models import RerunEpoch


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
    names = results.metric_names
    objective = column_of(results.objective.metric, names)

    def print_epoch(epoch: "RerunEpoch") -> None:
        if epoch.epoch == 1:
            # Not before: an error of the call is printed without the header.
            print_text(f"epoch  {'recorded':>16}  {'now':>16}   {names.get(objective, objective)}")
        then, now = (f"{of[objective]:.10g}" if objective in of else "–" for of in (epoch.recorded, epoch.metrics))
        differing = ", ".join(names.get(column, column) for column in epoch.differing)
        mark = "" if not epoch.recorded else "equal" if epoch.equal else f"differs in {differing}"
        print_text(f"{epoch.epoch:>5}  {then:>16}  {now:>16}   {mark}".rstrip())

    result = train_again(store.uri, trial=trial_id(trial), on_epoch=print_epoch)
    compared = [epoch for epoch in result.epochs if epoch.recorded]
    if result.other_data:
        print_text(f"\nThe data differ from those that the study began with: {'; '.join(result.other_data)}.")
    if compared and result.equal:
        print_text("\nAll epochs are equal to the last digit.")
    elif compared:
        first = next(epoch.epoch for epoch in compared if not epoch.equal)
        print_text(
            f"\nNot equal from epoch {first} on. Possible causes are another machine, other versions, more threads, or "
            "code that draws random numbers without a seed."
        )
    if result.taken_over is not None:
        print_text(f"\nFrom epoch {result.taken_over} on, the trial had continued with another trial's weights.")
    for what, failure in (("It failed", result.failure), ("When it was recorded, it failed", result.recorded_failure)):
        if failure:
            print_text(f"\n{what}:\n{failure.rstrip()}")
