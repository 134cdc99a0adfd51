"""The labels of several studies in one table."""

from collections.abc import Sequence

from pipeline.results.tables.load import Results
from pipeline.sanitize import sanitize

__all__ = ["labels"]


def labels(named: Sequence[tuple[str, Results]]) -> dict[str, Results]:
    """The studies by a unique label: the name, or the caller's name for the study where two have the same name.

    Args:
        named: How the caller names each study, and its results.
    """
    apart = dict(named)
    names = [results.name for results in apart.values()]
    return {
        results.name if names.count(results.name) == 1 else sanitize(given.rstrip("/")): results
        for given, results in apart.items()
    }
