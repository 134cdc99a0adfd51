"""What is done with one study: `export` its winner, read its `logs`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.cli.options import Name, Storage
from pipeline.errors import JobNotFound
from pipeline.legible import legible_output

__all__ = ["export", "logs"]

_DIGITS = 10
"""No study has so many trials; a longer number is no number of one."""


def export(
    name: Name,
    to: Annotated[Path, typer.Option(help="The folder to write into; made if it is not there.", show_default=False)],
    storage: Storage = "studies",
) -> None:
    """Write the winner's model: Keras file, architecture as JSON, weights as HDF5."""
    from pipeline.execution.export import export as export_winner
    from pipeline.storage import Store

    for path in export_winner(Store(storage).folder(name), to):
        typer.echo(bytes(path))


def logs(
    name: Name,
    trial: Annotated[str, typer.Option(help="The trial's id or number.", show_default=False)],
    storage: Storage = "studies",
) -> None:
    """Print what a trial printed; on a terminal only colours and progress bars of what a terminal would obey."""
    from pipeline.storage import Store
    from pipeline.study import layout

    store = Store(storage).folder(name)
    number = trial.isascii() and trial.isdigit() and len(trial) < _DIGITS
    trial_id = layout.trial_id(int(trial)) if number else trial
    if not store.exists(layout.STUDY):
        raise JobNotFound(f"There is no study {name!r} in {storage}.")
    if not store.exists(layout.log(trial_id)):
        kept = [Path(path).stem for path in store.files("logs")]
        there = f"trials that did: {', '.join(kept)}" if kept else "no trial did"
        raise JobNotFound(f"Trial {trial_id!r} of {name!r} has printed nothing; {there}.")
    printed = store.read_text(layout.log(trial_id))
    typer.echo(legible_output(printed) if sys.stdout.isatty() else printed, nl=False)
