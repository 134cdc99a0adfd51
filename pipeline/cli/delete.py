"""`tunepipe delete`: a study, with all that is in it."""

from typing import Annotated

import typer

from pipeline.cli.location import Study, study_store
from pipeline.cli.options import STORAGE, Storage, note
from pipeline.errors import UsageError
from pipeline.legible import legible

__all__ = ["delete"]


def delete(
    study: Study,
    storage: Storage = STORAGE,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a study: tables, checkpoints, logs, export, report. Asks first; refuses while its driver is at work."""
    from pipeline.execution.deleting import deletable
    from pipeline.execution.deleting import delete as delete_study

    store = study_store(study, storage)
    files, size = deletable(store, note)
    if not yes:
        typer.echo(legible(f"{store.uri} has {files:,} files, {size / 1e6:,.1f} MB."))
        try:
            agreed = typer.confirm("Delete all of it?", default=False)
        except typer.Abort:
            raise UsageError("Nobody answered, so nothing was deleted. --yes deletes without asking.") from None
        if not agreed:
            typer.echo("Nothing was deleted.")
            return
    delete_study(store, note)
    typer.echo(legible(f"Deleted {store.uri}."))
