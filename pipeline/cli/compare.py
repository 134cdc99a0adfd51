"""`tunepipe compare`: studies side by side."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.study_argument import study_argument, study_store
from pipeline.cli.table_output import file_option, form_of, save

if TYPE_CHECKING:
    from pipeline.results.analysis.comparison import Comparison


_FORMS = ("html", "png", "svg", "pdf")


def compare(
    studies: Annotated[
        list[str],
        study_argument("Two or more studies: names in --storage, or paths or URIs of their folders."),
    ],
    storage: Storage = STORAGE,
    output: Annotated[Path | None, file_option("Also write a page (.html) or a picture (.png, .svg, .pdf).")] = None,
    as_json: Json = False,
) -> None:
    """Compare studies with the same objective: which is better, with what confidence, and where they agree."""
    from pipeline.results.analysis.comparison import compared
    from pipeline.results.tables.load import load_results
    from pipeline.results.tables.study_labels import labels
    from pipeline.results.views.comparison_object import comparison_object

    form = form_of("--output", output, _FORMS)
    studies_with_names = [(study, load_results(study_store(study, storage).uri)) for study in studies]
    comparison = compared(labels(studies_with_names))
    if as_json:
        print_object(comparison_object(comparison))
    if not as_json:
        from pipeline.results.views.comparison_tables import comparison_view

        command_console().print(comparison_view(comparison))
    if output is not None:
        save(output, _page_or_picture(comparison, form), err=as_json)


def _page_or_picture(comparison: "Comparison", form: str) -> str | bytes:
    """The content of the file for `--output`."""
    from pipeline.results.plots import comparison_picture
    from pipeline.results.report.comparison_report import comparison_page
    from pipeline.results.views.comparison_tables import studies_of

    if form == "html":
        return comparison_page(comparison)
    return comparison_picture(studies_of(comparison), form)  # type: ignore[arg-type]
