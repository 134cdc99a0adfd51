"""`tunepipe export`: the best model of a study as files, and its trials for other tools."""

from pathlib import Path
from typing import Annotated

from pipeline.cli.console import print_path, print_text
from pipeline.cli.options import STORAGE, Logs, Storage, Study, option, study_store
from pipeline.errors import UsageError
from pipeline.text import without_keys


def export(
    study: Study,
    to: Annotated[Path | None, option("Folder for the model of the best trial, created if missing.", "FOLDER")] = None,
    log: Logs = None,
    storage: Storage = STORAGE,
) -> None:
    """Export the best model, or all trials to MLflow or TensorBoard. Writes its config and provenance, too."""
    if to is None and not log:
        raise UsageError(
            "Give an output: --to FOLDER for the best model, or --log mlflow=URI or tensorboard=FOLDER for all trials."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.api import export as export_model

        for path in export_model(store, to):
            print_path(path)
    if log:
        from pipeline.results.loggers import logs_of
        from pipeline.results.tables.load import load_results

        for text, destination in logs_of(log).items():
            destination.update(load_results(store.uri))
            destination.close()
            print_text(f"The trials are in {without_keys(text)}.")
