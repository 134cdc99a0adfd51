"""Whether a study can be shown as a plane: two numbers that are drawn, or metrics called x and y."""

from pipeline.results.analysis.parameters import scored, tuned
from pipeline.results.tables.load import Results
from pipeline.space import ListedDomain

_MIN_TRIALS = 12


def has_plane(results: Results) -> bool:
    """Whether two numbers are all that a study draws, and enough trials have a value."""
    names = tuned(results)
    domains = [results.space[name] for name in names]
    return (
        len(names) == 2
        and not any(isinstance(domain, ListedDomain) for domain in domains)
        and len(scored(results)) >= _MIN_TRIALS
    )


def has_trajectories(results: Results) -> bool:
    """Whether epochs have metrics called x and y, and they change in some trial."""
    epochs = results.epochs
    return {"x", "y"} <= set(epochs.columns) and bool((epochs.groupby("trial_id")["x"].nunique() > 1).any())
