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


@dataclass(frozen=True, slots=True)
class Explanation:
    """All analyses of a study."""

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
    """Run all analyses of a study. Takes seconds: forests are fitted, and fitted again to resampled trials."""
    _, finished = start_explanation(results, fit)
    return finished()


def start_explanation(results: Results, fit: Fit = fit_here) -> tuple[Explanation, Callable[[], Explanation]]:
    """Start to fit the forests of `explained`, and run the other analyses."""
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
    """The scheduler's grace period; None if it has none."""
    grace = results.job["scheduler"].get("grace_period")
    return grace if isinstance(grace, int) else None
