"""`tunepipe export` and `rerun`: models of a study as files, its trials for other tools, one trial trained again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pipeline.cli.console import print_path, print_text
from pipeline.cli.options import STORAGE, Logs, Storage, Study, argument, option, study_store, trial_id
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.execution.models import RerunEpoch


def export(
    study: Study,
    to: Annotated[Path | None, option("Folder for the model of the best trial, created if missing.", "FOLDER")] = None,
    trial: Annotated[str | None, option("With --to: write the model of this trial (id or number).", "TRIAL")] = None,
    log: Logs = None,
    storage: Storage = STORAGE,
) -> None:
    """Export the best model, or all trials to MLflow or TensorBoard. Writes model.keras and model.weights.h5."""
    if to is None and (trial is not None or not log):
        raise UsageError(
            "Give an output: --to FOLDER for models, or --log mlflow=URI or tensorboard=FOLDER for all trials. "
            "--trial is for models."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.execution.models import export as export_models

        wanted = None if trial is None else trial_id(trial)
        for path in export_models(store, to, trial=wanted):
            print_path(path)
    if log:
        from pipeline.results.export import logs_of
        from pipeline.results.tables.load import load_results

        for text, destination in logs_of(log).items():
            destination.update(load_results(store.uri))
            destination.close()
            print_text(f"The trials are in {text}.")


def rerun(
    study: Study,
    trial: Annotated[str, argument("Id or number of the trial.", "TRIAL")],
    storage: Storage = STORAGE,
) -> None:
    """Train a trial again, for debugging, and compare. It trains in this process; the study does not change."""
    from pipeline.execution.models import rerun as train_again
    from pipeline.results.analysis.queries import first_line
    from pipeline.results.tables.load import load_results
    from pipeline.storage.schema import metric_column

    store = study_store(study, storage)
    results = load_results(store.uri)
    objective = metric_column(results.objective.metric)

    def print_epoch(epoch: "RerunEpoch") -> None:
        if epoch.epoch == 1:
            # Not before: an error of the call is printed without the header.
            print_text(f"epoch  {'recorded':>16}  {'now':>16}   {objective}")
        then, now = (f"{of[objective]:.10g}" if objective in of else "–" for of in (epoch.recorded, epoch.metrics))
        mark = "" if not epoch.recorded else "equal" if epoch.equal else f"differs in {', '.join(epoch.differing)}"
        print_text(f"{epoch.epoch:>5}  {then:>16}  {now:>16}   {mark}".rstrip())

    result = train_again(store.uri, trial=trial_id(trial), on_epoch=print_epoch)
    differing = [epoch.epoch for epoch in result.epochs if epoch.recorded and not epoch.equal]
    if result.other_data:
        print_text(f"\nThe data differ from those that the study began with: {'; '.join(result.other_data)}.")
    if differing:
        print_text(
            f"\nNot equal from epoch {differing[0]} on. Possible causes are another machine, other versions, more "
            "threads, or code that draws random numbers without a seed."
        )
    elif any(epoch.recorded for epoch in result.epochs):
        print_text("\nAll epochs are equal to the last digit.")
    if result.taken_over is not None:
        print_text(f"\nFrom epoch {result.taken_over} on, the trial had continued with another trial's weights.")
    for what, failure in (("It failed", result.failure), ("When it was recorded, it failed", result.recorded_failure)):
        if failure:
            print_text(f"\n{what}: {first_line(failure)}")
