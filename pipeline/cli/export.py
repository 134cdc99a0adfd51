"""`tunepipe export`: models of a study as files, and its trials for other tools."""

import shlex
from pathlib import Path
from typing import Annotated

from pipeline.cli.console import note, print_path, print_text
from pipeline.cli.options import STORAGE, Storage, Study, option, study_store, switch, trial_id
from pipeline.errors import UsageError
from pipeline.text import by_count, counted


def export(
    study: Study,
    to: Annotated[
        Path | None, option("Write the model of the best trial into this folder, created if missing.")
    ] = None,
    trial: Annotated[str | None, option("With --to: write the model of this trial (id or number).")] = None,
    overwrite: Annotated[bool, switch("--overwrite", "With --to: replace the files of an earlier export.")] = False,
    tensorboard: Annotated[
        Path | None,
        option("Write the metrics and hyperparameters of every trial as TensorBoard logs into this folder."),
    ] = None,
    mlflow: Annotated[
        str | None,
        option(
            "Write a run for the study, with a child run for each trial, to this tracking URI of MLflow, or to a "
            "new database in this folder.",
            "URI|FOLDER",
        ),
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write models, or all trials for other tools. Models are a Keras file and HDF5."""
    if to is None and (trial is not None or overwrite):
        raise UsageError("--trial and --overwrite need --to FOLDER, the folder for the models.")
    if to is None and tensorboard is None and mlflow is None:
        raise UsageError(
            "Give an output: --to FOLDER for the best trial's model, --tensorboard FOLDER, --mlflow URI or "
            "FOLDER for all trials."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.execution.models import export as export_models

        wanted = None if trial is None else trial_id(trial)
        for path in export_models(store, to, trial=wanted, overwrite=overwrite, note=note):
            print_path(path)
    if tensorboard is not None:
        from pipeline.results.export import write_tensorboard
        from pipeline.results.tables.load import load_results

        logged = write_tensorboard(load_results(store.uri), tensorboard)
        command = shlex.join(["tensorboard", "--logdir", str(tensorboard)])
        print_text(f"{counted(logged, 'trial')} in {tensorboard}: `{command}` shows them.")
    if mlflow is not None:
        from pipeline.results.export import MLflowLog
        from pipeline.results.tables.load import load_results

        log = MLflowLog(mlflow)
        count, there = log.update(load_results(store.uri))
        kept = f", {there} {by_count(there, 'was', 'were')} there already" if there else ""
        command = shlex.join(["mlflow", "ui", "--backend-store-uri", log.uri])
        look = f": `{command}` shows them (package mlflow, in a separate environment)"
        shown = "" if "://" in mlflow else look
        print_text(f"{counted(count, 'trial')} written to {mlflow}{kept}{shown}.")
