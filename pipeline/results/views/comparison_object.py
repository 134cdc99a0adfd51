"""A comparison of studies as one JSON object; docs/results-json.md says what is in it."""

from typing import Any

from pipeline.results.analysis.comparison import Comparison


def comparison_object(comparison: Comparison) -> dict[str, Any]:
    """The object that `tunepipe compare --json` prints."""
    return {
        "studies": [
            {
                "name": member.name, "location": member.results.location, "state": member.results.state,
                "trials": len(member.results.trials), "epochs": len(member.results.epochs),
                "seconds": member.results.seconds, "best": member.best, "best_at_level": member.level,
                "expected_best": member.expected,
                "interval": None if member.expected is None else [member.low, member.high],
                "hypervolume": member.hypervolume,
            }
            for member in comparison.members
        ],
        "level_epochs": comparison.level,
        "expected_of_trials": comparison.draws,
        "differences": [
            {
                "studies": list(one.names), "ahead": one.ahead, "interval": [one.low, one.high],
                "share_of_resamples": one.share,
            }
            for one in comparison.differences
        ],
        "seeds": [
            {
                "studies": list(one.names), "mean_best": one.mean,
                "interval": None if one.low is None else [one.low, one.high],
            }
            for one in comparison.seeds
        ],
        "shared_configs": [
            {
                "studies": list(one.names), "count": one.count, "rank_correlation": one.correlation,
                "good_in_both": [list(trials) for trials in one.good],
            }
            for one in comparison.shared
        ],
        "comparable": not comparison.comparability_problems,
        "not_comparable_because": list(comparison.comparability_problems),
        "best_quarters": {name: list(found) for name, found in comparison.ranges.items()},
    }  # fmt: skip
