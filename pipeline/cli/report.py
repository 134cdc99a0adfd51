"""`tunepipe report`: a study as one HTML page."""

from pathlib import Path
from typing import Annotated

from pipeline.cli.console import print_path
from pipeline.cli.options import STORAGE, Storage
from pipeline.cli.study_argument import Study, study_store
from pipeline.cli.table_output import file_option, save


def report(
    study: Study,
    storage: Storage = STORAGE,
    output: Annotated[Path | None, file_option("File to write. Default: report.html of the study.")] = None,
) -> None:
    """Write a study as one self-contained HTML page: summary, leaderboard and pictures."""
    from pipeline.results.analysis.forest_process import fitting

    store = study_store(study, storage)
    with fitting(store) as fit:
        # The process that fits forests starts before this one loads the libraries that draw.
        from pipeline.results.report.page import report_page, write_report
        from pipeline.results.tables.load import load_results

        if output is None:
            print_path(write_report(store, fit))
            return
        page = report_page(load_results(store.uri), fit)
    save(output, page)
