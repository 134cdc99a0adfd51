"""The labels of several studies in one table."""

import dataclasses

from pipeline.results import Results
from pipeline.results.tables.labels import labels


def test_studies_of_one_name_are_distinguished_by_the_callers_names(
    asha_results: Results, pbt_results: Results
) -> None:
    """Studies with equal names are distinguished by the caller's paths, and a repeated study counts once."""
    copy = dataclasses.replace(asha_results)
    named = [("x/one/", asha_results), ("y/one", copy), ("p", pbt_results), ("p", pbt_results)]
    assert list(labels(named)) == ["x/one", "y/one", pbt_results.name]
