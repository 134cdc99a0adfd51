"""All analyses of a study in one object."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from pipeline.results.analysis.earlier_studies import EarlierCounts, earlier_counts
from pipeline.results.analysis.early_stopping import Agreement, Stopping, agreements, stopping
from pipeline.results.analysis.effort import Effort, effort
from pipeline.results.analysis.failure_causes import Cause, causes
from pipeline.results.analysis.forests import Fit, fit_here
from pipeline.results.analysis.importance import start_importances
from pipeline.results.analysis.lineage import exploits
from pipeline.results.analysis.predictions import Prediction, predictions
from pipeline.results.analysis.shares import Importance
from pipeline.results.tables.load import Results

__all__ = ["Explanation", "explained", "grace_period", "start_explanation"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All analyses of a study.

    Args:
        results: The study's results.
        importances: What mattered, among all trials and among those of each branch.
        agreements: How well early values predict final values.
        stopping: What early stopping did.
        effort: Seconds by trial and phase.
        causes: Failures by cause.
        earlier: How much each of the earlier studies counted.
        predictions: The objective at the last epoch along each hyperparameter, as the searcher's model predicts it.
    """

    results: Results
    importances: Sequence[Importance]
    agreements: Sequence[Agreement]
    stopping: Stopping
    effort: Effort
    causes: Sequence[Cause]
    earlier: EarlierCounts
    predictions: Sequence[Prediction]

    @property
    def exploits(self) -> int:
        """How often weights were taken over."""
        return len(exploits(self.results))


def explained(results: Results, fit: Fit = fit_here) -> Explanation:
    """Run all analyses of a study. Takes seconds: forests are fitted, and fitted again to resampled trials.

    Args:
        results: The study's results.
        fit: Fits the forests; another process may do so during the other analyses.

    Returns:
        One result for each analysis; an analysis without enough trials says so.
    """
    _, finished = start_explanation(results, fit)
    return finished()


def start_explanation(results: Results, fit: Fit = fit_here) -> tuple[Explanation, Callable[[], Explanation]]:
    """Start to fit the forests of `explained`, and run the other analyses.

    Args:
        results: The study's results.
        fit: Fits the forests.

    Returns:
        The explanation without importances; and what waits for the forests, and returns the whole.
    """
    importances = start_importances(results, fit)
    others = Explanation(
        results,
        (),
        agreements(results),
        stopping(results),
        effort(results),
        causes(results),
        earlier_counts(results),
        predictions(results),
    )
    return others, lambda: replace(others, importances=importances())


def grace_period(results: Results) -> int | None:
    """The scheduler's grace period; None if it has none.

    Args:
        results: A study's results.
    """
    grace = results.job["scheduler"].get("grace_period")
    return grace if isinstance(grace, int) else None
