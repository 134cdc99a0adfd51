"""`tunepipe export`: models of a study as files, and its trials for other tools."""

from pathlib import Path
from typing import Annotated

from pipeline.cli.console import print_path, print_text
from pipeline.cli.options import STORAGE, Logs, Storage, Study, option, study_store, switch, trial_id
from pipeline.errors import UsageError


def export(
    study: Study,
    to: Annotated[
        Path | None, option("Write the model of the best trial into this folder, created if missing.")
    ] = None,
    trial: Annotated[str | None, option("With --to: write the model of this trial (id or number).")] = None,
    overwrite: Annotated[bool, switch("--overwrite", "With --to: replace the files of an earlier export.")] = False,
    log: Logs = None,
    storage: Storage = STORAGE,
) -> None:
    """Write models, or all trials for other tools. Models are a Keras file and HDF5."""
    if to is None and (trial is not None or overwrite or not log):
        raise UsageError(
            "Give an output: --to FOLDER for models, or --log mlflow=URI or tensorboard=FOLDER for all trials. "
            "--trial and --overwrite are for models."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.execution.models import export as export_models

        wanted = None if trial is None else trial_id(trial)
        for path in export_models(store, to, trial=wanted, overwrite=overwrite):
            print_path(path)
    if log:
        from pipeline.results.export import logs_of
        from pipeline.results.tables.load import load_results

        for text, destination in logs_of(log).items():
            destination.update(load_results(store.uri))
            destination.close()
            print_text(f"The trials are in {text}.")
