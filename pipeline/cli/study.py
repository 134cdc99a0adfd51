"""What is done with one study: `export` its winner, read its `logs`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.location import Study, study_store, trial_id
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.submit import Dashboard, api_of, follow_submission
from pipeline.errors import JobNotFound, UsageError
from pipeline.legible import legible_output

__all__ = ["export", "logs"]


def export(
    study: Study,
    to: Annotated[
        Path | None,
        typer.Option(help="The folder for the winner's model; made if it is not there.", show_default=False),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(help="A folder for TensorBoard: every trial's metrics and hyperparameters.", show_default=False),
    ] = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            help="MLflow's tracking URI, or a folder for a database of its own: a run for the study, below it one for "
            "each trial.",
            metavar="URI|FOLDER",
            show_default=False,
        ),
    ] = None,
    storage: Storage = STORAGE,
) -> None:
    """Write the winner's model (Keras file, architecture as JSON, weights as HDF5), or all trials for another tool."""
    if to is None and tensorboard is None and mlflow is None:
        raise UsageError(
            "Say what to write, and where: --to FOLDER for the winner's model, --tensorboard FOLDER, --mlflow URI or "
            "FOLDER for all trials."
        )
    store = study_store(study, storage)
    if to is not None:
        from pipeline.execution.export import export as export_winner

        for path in export_winner(store, to):
            typer.echo(bytes(path))
    if tensorboard is not None:
        from pipeline.results.load import load_results
        from pipeline.results.tensorboard import write_tensorboard

        written = write_tensorboard(load_results(store.uri), tensorboard)
        typer.echo(f"{len(written)} trials in {tensorboard}: `tensorboard --logdir {tensorboard}` shows them.")
    if mlflow is not None:
        from pipeline.results.load import load_results
        from pipeline.results.mlflow import write_mlflow

        done = write_mlflow(load_results(store.uri), mlflow)
        kept = f", {done.kept} were there already" if done.kept else ""
        shown = "" if "://" in mlflow else f": `mlflow ui --backend-store-uri {done.uri}` shows them"
        typer.echo(f"{done.written} trials written to {mlflow}{kept}{shown}.")


def logs(
    study: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|SUBMISSION",
            help="With --trial a study: its name within --storage, or the path or URI of its folder. With --address a "
            "submission, as `tunepipe status` lists it, or its study.",
            show_default=False,
        ),
    ],
    trial: Annotated[str | None, typer.Option(help="The trial's id or number.", show_default=False)] = None,
    storage: Storage = STORAGE,
    address: Dashboard = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Print on, until the submission ends.")] = False,
) -> None:
    """Print what a trial printed, or with --address what a study's driver prints on a cluster."""
    if trial is not None:
        _print_trial(study, trial, storage)
        return
    if address is None:
        raise UsageError(
            f"Whose logs? `tunepipe logs {study} --trial T` prints what a trial printed, `tunepipe logs {study} "
            "--address http://HOST:8265` what a study's driver prints on a cluster."
        )
    api = api_of(address)
    submission = api.submission(study)
    if follow:
        raise typer.Exit(follow_submission(api, submission.name))
    _print(api.logs(submission.name))


def _print_trial(study: str, trial: str, storage: str) -> None:
    from pipeline.results.load import load_results
    from pipeline.results.trial import trial_row
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    if not store.exists(layout.log(wanted)):
        trial_row(load_results(store.uri), wanted)  # there may be no such trial at all
        kept = [Path(path).stem for path in store.files("logs")]
        none = "no trial did, or --workers 0 had them print where the command was called"
        there = f"trials that did: {', '.join(kept)}" if kept else none
        raise JobNotFound(f"Trial {wanted!r} of the study in {store.uri} has printed nothing; {there}.")
    _print(store.read_text(layout.log(wanted)))


def _print(printed: str) -> None:
    """On a terminal only colours and progress bars of what a terminal would obey."""
    typer.echo(legible_output(printed) if sys.stdout.isatty() else printed, nl=False)
