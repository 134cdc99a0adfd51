"""What a notebook shows of a study's results."""

from dataclasses import replace

import pytest

from pipeline import UserError, load_results, show
from pipeline.results import Results


def test_results_in_a_notebook_are_a_leaderboard(asha_results: Results) -> None:
    """Results in a notebook are a table of the ten best trials with the number of further trials."""
    text = load_results(asha_results.location)._repr_html_()

    assert text.count("<tr>") == 11
    assert f"<td>{asha_results.best.trial_id}</td>" in text
    assert "14 more" in text


def test_a_notebook_shows_texts_of_a_study_as_texts(domains_results: Results) -> None:
    """A notebook shows a name that looks like markup as text."""
    results = load_results(domains_results.location)
    job = {**results.job, "name": "<b>x</b>"}
    text = replace(results, study={**results.study, "job": job})._repr_html_()

    assert "<b>" not in text
    assert "&lt;b&gt;x" in text


def test_pictures_are_shown_by_the_kernel_of_a_notebook_only(asha_results: Results) -> None:
    """Outside of a notebook's kernel, showing pictures is refused with the commands that show them."""
    with pytest.raises(UserError, match="tunepipe serve"):
        show(asha_results.location)
