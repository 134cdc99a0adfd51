"""`tunepipe explain` and `tunepipe compare`: what results say about a study, and studies side by side."""

from typing import Annotated, Any

from rich.text import Text

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import STORAGE, Json, Storage, Study, results_of, study_argument, study_store
from pipeline.text import sanitize


def explain(study: Study, storage: Storage = STORAGE, as_json: Json = False) -> None:
    """Explain a study. Shows important hyperparameters, early against final values, savings of early stopping, time."""
    from pipeline.results.tables.load import load_results
    from pipeline.results.views.explanation import explanation_tables

    results = load_results(study_store(study, storage).uri)
    tables = explanation_tables(results)
    if as_json:
        about = {"study": results.name, "location": results.location}
        print_object({**about, "tables": [table.as_object() for table in tables]})
    else:
        command_console().print(Text(sanitize(results.name), style="bold"))
        _print(tables)


def compare(
    studies: Annotated[
        list[str], study_argument("Two or more studies: names in --storage, or paths or URIs of their folders.")
    ],
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Compare studies with the same objective. Says which is better, and with what confidence."""
    from pipeline.results.views.comparison import compared

    comparison = compared(results_of(studies, storage))
    tables, warning = comparison.tables, comparison.warning
    if as_json:
        print_object({"comparable": not warning, "tables": [table.as_object() for table in tables]})
        return
    if warning:
        command_console().print(Text(sanitize(warning), style="bold red"))
    _print(tables, first="\n" if warning else "")


def _print(tables: Any, first: str = "\n") -> None:
    console = command_console()
    for place, table in enumerate(tables):
        console.print("\n" if place else first, end="")
        console.print(table)
