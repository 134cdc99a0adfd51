"""The report's pictures of what the searcher's model predicts along each hyperparameter."""

from collections.abc import Iterator
from functools import partial

from pipeline.results import plots
from pipeline.results.analysis import Explanation
from pipeline.results.analysis.predictions import most_different
from pipeline.results.report.picture import Section, panel
from pipeline.results.views.answers import PREDICTED
from pipeline.results.views.sentences import MAX_PREDICTIONS, of_prediction, of_predictions


def predictions(explanation: Explanation) -> Iterator[Section]:
    """What the searcher's model predicts for the last epoch, a picture for each hyperparameter; else nothing."""
    found, results = explanation.predictions, explanation.results
    if not found:
        return
    metric, shown = results.objective.metric, most_different(found, MAX_PREDICTIONS)
    limits = min(float(one.lows.min()) for one in shown), max(float(one.highs.max()) for one in shown)
    note = f"{of_predictions(found, metric)} The line is the median at epoch {found[0].epoch}, the band a 90% interval."
    yield Section(
        PREDICTED,
        note,
        [
            panel(
                f"predicted-{number}", partial(plots.predicted_along, results, one, limits=limits), of_prediction(one),
                220, f"Chart of the predicted {metric} along {one.parameter.name}.", count=len(shown),
            )
            for number, one in enumerate(shown)
        ],
        small=True,
    )  # fmt: skip
