"""The labels of several studies in one table."""

import dataclasses

from pipeline.results import Results
from pipeline.results.tables.load import labels


def test_studies_of_one_name_are_distinguished_by_the_callers_names(
    asha_results: Results, pbt_results: Results
) -> None:
    """Studies with equal names are distinguished by the caller's paths, and a repeated study counts once."""
    copy = dataclasses.replace(asha_results)
    named = [("x/one/", asha_results), ("y/one", copy), ("p", pbt_results), ("p", pbt_results)]
    assert list(labels(named)) == ["x/one", "y/one", pbt_results.name]


def test_a_study_may_be_called_as_the_caller_names_another(asha_results: Results, pbt_results: Results) -> None:
    """If the caller's name for a study is the name of another one, no study is lost: all have the caller's names."""
    named = [(pbt_results.name, asha_results), ("copy", dataclasses.replace(asha_results)), ("other", pbt_results)]
    assert list(labels(named)) == [pbt_results.name, "copy", "other"]
