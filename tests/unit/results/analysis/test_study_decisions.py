"""Decisions about the whole study."""

from pipeline.results import Results
from pipeline.results.analysis.study_decisions import study_decisions


def test_decisions_without_a_trial_are_about_the_study(asha_results: Results, pbt_results: Results) -> None:
    """A study's pause, resume and change of its budget are listed in order, and decisions about trials are not."""
    assert study_decisions(asha_results)["kind"].to_pylist() == ["pause", "resume", "budget"]
    assert not study_decisions(pbt_results).num_rows
