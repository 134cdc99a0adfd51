"""`tunepipe export` and `tunepipe logs`."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.cluster_options import (
    NAMESPACE,
    Context,
    Dashboard,
    Namespace,
    RayJobs,
    api_of,
    follow_submission,
    given_on_command_line,
    refuse_other_options,
    say_log,
)
from pipeline.cli.console import note, say, say_bytes, say_output, say_path
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.study_argument import Study, study_argument, study_store, trial_id
from pipeline.errors import UsageError
from pipeline.wording import by_count, counted

__all__ = ["export", "logs"]


def export(
    study: Study,
    to: Annotated[
        Path | None,
        typer.Option(
            help="Write the model of the best trial into this folder, created if missing.",
            show_default=False,
        ),
    ] = None,
    trial: Annotated[
        str | None, typer.Option(help="With --to: write the model of this trial (id or number).", show_default=False)
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --to: write the models of this many best trials, each into a folder.", show_default=False
        ),
    ] = None,
    saved_model: Annotated[
        bool, typer.Option("--saved-model", help="With --to: write a SavedModel for TensorFlow Serving, too.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="With --to: replace the files of an earlier export.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            help="Write the metrics and hyperparameters of every trial as TensorBoard logs into this folder.",
            show_default=False,
        ),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            help="Write a run for the study, with a child run for each trial, to this tracking URI of MLflow, or to a "
            "new database in this folder.",
            metavar="URI|FOLDER",
            show_default=False,
        ),
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the model of the best or any trial (Keras file, JSON, HDF5, SavedModel), or all trials for other tools."""
    if to is None and (trial is not None or top is not None or saved_model or overwrite):
        raise UsageError("--trial, --top, --saved-model and --overwrite need --to FOLDER, the folder for the models.")
    if to is None and tensorboard is None and mlflow is None:
        raise UsageError(
            "Give an output: --to FOLDER for the best trial's model, --tensorboard FOLDER, --mlflow URI or "
            "FOLDER for all trials."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.execution.export import export as export_models

        wanted = None if trial is None else trial_id(trial)
        written = export_models(
            store, to, trial=wanted, top=top, saved_model=saved_model, overwrite=overwrite, note=note
        )
        for path in written:
            say_path(path)
    if tensorboard is not None:
        from pipeline.results.export.tensorboard import write_tensorboard
        from pipeline.results.tables.load import load_results

        logged = write_tensorboard(load_results(store.uri), tensorboard)
        command = shlex.join(["tensorboard", "--logdir", str(tensorboard)])
        say(f"{counted(len(logged), 'trial')} in {tensorboard}: `{command}` shows them.")
    if mlflow is not None:
        from pipeline.results.export.mlflow import write_mlflow
        from pipeline.results.tables.load import load_results

        done = write_mlflow(load_results(store.uri), mlflow)
        kept = f", {done.kept} {by_count(done.kept, 'was', 'were')} there already" if done.kept else ""
        command = shlex.join(["mlflow", "ui", "--backend-store-uri", done.uri])
        look = f": `{command}` shows them (package mlflow, in a separate environment)"
        shown = "" if "://" in mlflow else look
        say(f"{counted(done.written, 'trial')} written to {mlflow}{kept}{shown}.")


def logs(
    asked: typer.Context,
    study: Annotated[
        str,
        study_argument(
            "With --trial a study: its name in --storage, or the path or URI of its folder. With --address a "
            "submission, as `tunepipe status` lists it, or its study; with --kubernetes a RayJob or its study.",
            "STUDY|SUBMISSION",
        ),
    ],
    trial: Annotated[str | None, typer.Option(help="Id or number of the trial.", show_default=False)] = None,
    storage: Storage = STORAGE,
    address: Dashboard = None,
    kubernetes: RayJobs = False,
    context: Context = None,
    namespace: Namespace = NAMESPACE,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Print new output until the driver ends (not with --trial).")
    ] = False,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print all bytes unchanged, including terminal control sequences."),
    ] = False,
) -> None:
    """Print the output of a trial, or with --address or --kubernetes the output of a study's driver on a cluster.

    If studies of that name run in several storages, --storage chooses one.
    """
    refuse_other_options(asked, kubernetes=kubernetes, nothing="Nothing was printed.")
    if trial is not None and kubernetes:
        raise UsageError(
            "--trial prints a log of a storage that this machine reads, --kubernetes a driver's output. `tunepipe "
            f"results {study} --kubernetes` copies a study from a volume, with the logs of its trials."
        )
    if trial is not None and (follow or given_on_command_line(asked, "address")):
        raise UsageError(
            "--trial prints a trial's log in a storage as it is now, --follow and --address print the output of a "
            "study's driver on a cluster: they cannot be combined."
        )
    if trial is not None:
        _print_trial(study, trial, storage, raw=raw)
        return
    # A storage of the environment is that of studies here.
    place = storage if given_on_command_line(asked, "storage") else None
    if kubernetes:
        from pipeline.cli.rayjobs import follow_rayjob, rayjob_output

        if follow:
            raise typer.Exit(follow_rayjob(study, context, namespace, place, raw=raw))
        say_log(rayjob_output(study, context, namespace, place), raw=raw)
        return
    if address is None:
        raise UsageError(
            f"`tunepipe logs {study} --trial T` prints the output of a trial, `tunepipe logs {study} "
            "--address http://HOST:8265` or --kubernetes that of a study's driver on a cluster."
        )
    api = api_of(address)
    submission = api.find(study, place)
    if follow:
        raise typer.Exit(follow_submission(api, submission.name, raw=raw))
    say_log(api.logs(submission.name), raw=raw)


def _print_trial(study: str, trial: str, storage: str, *, raw: bool) -> None:
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.trials import trial_row
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    printed = store.read(layout.log(wanted)) if store.exists(layout.log(wanted)) else b""
    if printed and raw:
        say_bytes(printed)
        return
    if printed:
        say_output(printed.decode(errors="replace"))
        return
    trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
    kept = [Path(path).stem for path in store.files("logs")]
    none = "no trial did, or with --workers 0 the output went to the terminal"
    there = f"trials that did: {', '.join(kept)}" if kept else none
    say(f"Trial {wanted} of the study in {store.uri} printed nothing; {there}.", err=True)
