"""`tunepipe explain`: why a study went as it did."""

import json

import typer

from pipeline.cli.location import Study, study_store
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.tables import stdout_console

__all__ = ["explain"]


def explain(study: Study, storage: Storage = STORAGE, as_json: Json = False) -> None:
    """Say what mattered, whether early values told, what stopping saved and risked, where the time went."""
    from pipeline.results.analysis import explained
    from pipeline.results.analysis.explanation import explanation_object
    from pipeline.results.analysis.view import explanation_view
    from pipeline.results.load import load_results

    explanation = explained(load_results(study_store(study, storage).uri))
    if as_json:
        typer.echo(json.dumps(explanation_object(explanation), allow_nan=False))
        return
    console = stdout_console()
    console.width = min(console.width, 120)
    console.print(explanation_view(explanation))
