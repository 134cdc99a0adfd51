"""What a notebook shows of a study's results."""

from dataclasses import replace

import pytest

from pipeline import UserError, load_results, show
from pipeline.results import Results


def test_results_in_a_notebook_are_a_leaderboard(asha_results: Results) -> None:
    """The ten best trials as a table, the best one emphasised, and how many more there are."""
    text = load_results(asha_results.location)._repr_html_()

    assert text.count("<tr>") == 11
    assert f"<th>{asha_results.best.trial_id}</th>" in text
    assert "14 more" in text


def test_a_notebook_shows_texts_of_a_study_as_texts(domains_results: Results) -> None:
    """A name that looks like markup is none."""
    results = load_results(domains_results.location)
    job = {**results.job, "name": "<b>x</b>"}
    text = replace(results, study={**results.study, "job": job})._repr_html_()

    assert "<b>" not in text
    assert "&lt;b&gt;x" in text


def test_pictures_are_shown_by_the_kernel_of_a_notebook_only(asha_results: Results) -> None:
    """In any other process the error names the commands that show them."""
    with pytest.raises(UserError, match="tunepipe serve"):
        show(asha_results.location)
