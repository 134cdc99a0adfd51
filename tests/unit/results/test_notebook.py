"""What a notebook shows of a study's results."""

from dataclasses import replace

from pipeline import load_results
from pipeline.results import Results


def test_results_in_a_notebook_are_a_leaderboard(asha_results: Results) -> None:
    text = load_results(asha_results.location)._repr_html_()
    assert text.count("<tr>") == 11
    assert f"<td>{asha_results.best.trial_id}</td>" in text
    assert "14 more" in text


def test_a_notebook_shows_texts_of_a_study_as_texts(domains_results: Results) -> None:
    results = load_results(domains_results.location)
    job = {**results.job, "name": "<b>x</b>"}
    text = replace(results, study={**results.study, "job": job})._repr_html_()
    assert "<b>" not in text
    assert "&lt;b&gt;x" in text
