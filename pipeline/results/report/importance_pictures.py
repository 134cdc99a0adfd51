"""The report's pictures of what mattered, and of the objective along each hyperparameter."""

from collections.abc import Iterator
from functools import partial

from pipeline.results import plots
from pipeline.results.analysis.importance import MIN_SHARE, Effect, importances as analysed
from pipeline.results.analysis.queries import exploits
from pipeline.results.plots.explanation_plots import bars
from pipeline.results.report.picture import MAX_PANELS, Section, as_results_plot, panel, picture
from pipeline.results.tables.load import Results
from pipeline.results.views.explanation import importance_table, where_clause
from pipeline.text import counted, percent, percent_interval

_MAX_BRANCHES = 8
"""The maximum number of branches with their own pictures: those with the most trials."""


def of_effect(effect: Effect) -> str:
    """What a hyperparameter does, in a sentence."""
    interval = percent_interval(effect.low, effect.high)
    share = f"{percent(effect.share)} of the objective's variance (90% interval {interval})"
    return f"Best at {effect.best}; {share}." if effect.best else f"No best value can be given; {share}."


def importances(results: Results) -> Iterator[Section]:
    """What mattered among all trials, then among those of each branch; where no conclusion is possible, the reason.

    Of many branches, those with the most trials are shown.
    """
    metric, found = results.objective.metric, analysed(results)
    branches = [importance for importance in found if importance.when]
    left_out = sorted(branches, key=lambda importance: -importance.trials)[_MAX_BRANCHES:]
    for number, importance in enumerate(found):
        if any(importance is each for each in left_out):
            continue
        table = importance_table(importance)
        if not importance.effects:
            yield Section(table.title, table.note, [])
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
        if exploits(results).num_rows:
            note += " Trials copied weights, so a config counts for its own epochs only."
        yield Section(
            table.title,
            note,
            [
                picture(
                    results, f"importance-{number}", as_results_plot(plots.importance_bars, importance),
                    table.note, height, height,
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
