"""What is done with one study: `export` its winner, read its `logs`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.location import Study, study_store, trial_id
from pipeline.cli.options import STORAGE, Storage
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
    storage: Storage = STORAGE,
) -> None:
    """Write the winner's model (Keras file, architecture as JSON, weights as HDF5), or all trials for TensorBoard."""
    if to is None and tensorboard is None:
        raise UsageError("Say what to write, and where: --to FOLDER for the winner's model, --tensorboard FOLDER.")
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


def logs(
    study: Study,
    trial: Annotated[str, typer.Option(help="The trial's id or number.", show_default=False)],
    storage: Storage = STORAGE,
) -> None:
    """Print what a trial printed; on a terminal only colours and progress bars of what a terminal would obey."""
    from pipeline.study import layout

    store, wanted = study_store(study, storage), trial_id(trial)
    if not store.exists(layout.log(wanted)):
        kept = [Path(path).stem for path in store.files("logs")]
        there = f"trials that did: {', '.join(kept)}" if kept else "no trial did"
        raise JobNotFound(f"Trial {wanted!r} of the study in {store.uri} has printed nothing; {there}.")
    printed = store.read_text(layout.log(wanted))
    typer.echo(legible_output(printed) if sys.stdout.isatty() else printed, nl=False)
