"""The report's pictures of what mattered, and of the objective along each hyperparameter."""

from collections.abc import Iterator
from functools import partial

from pipeline.results import plots
from pipeline.results.analysis import Explanation
from pipeline.results.analysis.shares import MIN_SHARE
from pipeline.results.plots.explanation_plots import bars
from pipeline.results.report.picture import MAX_PANELS, Section, as_results_plot, panel, picture
from pipeline.results.views.answers import importance_title
from pipeline.results.views.sentences import of_effect, of_importance, where_clause
from pipeline.wording import counted

_MAX_BRANCHES = 8
"""The maximum number of branches with their own pictures: those with the most trials."""


def importances(explanation: Explanation) -> Iterator[Section]:
    """What mattered among all trials, then among those of each branch; where no conclusion is possible, the reason.

    Of many branches, those with the most trials are shown.
    """
    results = explanation.results
    metric = results.objective.metric
    branches = [importance for importance in explanation.importances if importance.when]
    left_out = sorted(branches, key=lambda importance: -importance.trials)[_MAX_BRANCHES:]
    for number, importance in enumerate(explanation.importances):
        if any(importance is each for each in left_out):
            continue
        if not importance.effects:
            yield Section(importance_title(importance), of_importance(importance), [])
            continue
        along = importance.effects[:MAX_PANELS]
        height = 90 + 26 * len(bars(importance))
        note = "Shares of the objective's variance, by a random forest fitted to the trials; lines are 90% intervals. "
        note += (
            "A pair, written with ×, has the share that it adds to those of its two hyperparameters; pairs below "
            f"{MIN_SHARE:.1%} have no bar."
            if importance.pairs
            else ""
        )
        if explanation.exploits:
            note += " Trials copied weights, so a config counts for its own epochs only."
        yield Section(
            importance_title(importance),
            note,
            [
                picture(
                    results, f"importance-{number}", as_results_plot(plots.importance_bars, importance),
                    of_importance(importance), height, height,
                    f"Bar chart of the shares of {len(importance.effects)} hyperparameters.",
                )
            ],
        )  # fmt: skip
        note = "The mean of the same forest with all other hyperparameters averaged out; the band is a 90% interval."
        if len(along) < len(importance.effects):
            note += f" The {len(along)} with the largest shares are shown."
        yield Section(
            f"{metric} along each hyperparameter{where_clause(importance)}",
            note,
            [
                panel(
                    f"along-{number}-{place}", partial(plots.partial_dependence, results, effect), of_effect(effect),
                    220, f"Chart of the mean {metric} along {effect.parameter.name}.", count=len(along),
                )
                for place, effect in enumerate(along)
            ],
            small=True,
        )  # fmt: skip
    if left_out:
        yield Section(
            "What mattered in other branches",
            f"{counted(len(left_out), 'other branch', 'other branches')} with at most "
            f"{counted(left_out[0].trials, 'trial')} each: `tunepipe explain` shows what mattered there.",
            [],
        )
