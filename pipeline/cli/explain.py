"""`tunepipe explain`: what a study's results say about its hyperparameters and its early stopping."""

from pipeline.cli.console import command_console, print_object
from pipeline.cli.options import STORAGE, Json, Storage
from pipeline.cli.study_argument import Study, study_store


def explain(study: Study, storage: Storage = STORAGE, as_json: Json = False) -> None:
    """Explain a study: important hyperparameters, early against final values, savings of early stopping, time."""
    from pipeline.results.analysis.forest_process import fitting

    store = study_store(study, storage)
    with fitting(store) as fit:
        # The process that fits forests starts before this one loads the libraries that read a study.
        from pipeline.results.analysis import explained
        from pipeline.results.tables.load import load_results
        from pipeline.results.views.explanation import explanation_view
        from pipeline.results.views.explanation_object import explanation_object

        explanation = explained(load_results(store.uri), fit)
    if as_json:
        print_object(explanation_object(explanation))
        return
    command_console().print(explanation_view(explanation))
