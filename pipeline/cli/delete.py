"""`tunepipe delete`: deletes a study and its files."""

from typing import Annotated

import typer

from pipeline.cli.console import note, print_text
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.study_argument import Study, study_store
from pipeline.errors import UsageError


def delete(
    study: Study,
    storage: Storage = STORAGE,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete a study: tables, checkpoints, logs, export and report. Asks first; refuses while the study runs."""
    from pipeline.execution.deletion import check_deletable, delete as delete_study

    store = study_store(study, storage)
    contents = check_deletable(store, note)
    if not yes:
        print_text(f"{store.uri} has {contents}")
        try:
            agreed = typer.confirm("Delete all of it?", default=False)
        except typer.Abort:
            raise UsageError("No answer was given, so nothing was deleted. --yes deletes without asking.") from None
        if not agreed:
            print_text("Nothing was deleted.")
            return
    delete_study(store, note)
    print_text(f"Deleted {store.uri}.")
