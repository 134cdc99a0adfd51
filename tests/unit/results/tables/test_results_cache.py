"""Answers that are computed once."""

import gc
import weakref
from dataclasses import replace

from pipeline.results import Results
from pipeline.results.tables.results_cache import cache_per_results


def test_an_answer_is_computed_once_for_the_same_results(asha_results: Results) -> None:
    """A decorated function computes its answer for each object of results once, and keeps it no longer than them."""
    asked = []

    @cache_per_results
    def names(results: Results) -> set[str]:
        """Its own documentation."""
        asked.append(results)
        return {results.name}

    other = replace(asha_results)
    assert names(asha_results) is names(asha_results)
    assert names(other) is not names(asha_results)
    assert (len(asked), names.__doc__) == (2, "Its own documentation.")
    kept = weakref.ref(names(other))
    asked.clear()
    del other
    gc.collect()
    assert kept() is None
