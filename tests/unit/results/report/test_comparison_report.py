"""A comparison of studies as a page."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.results.analysis.comparison import Comparison, compared
from pipeline.results.report.comparison_report import comparison_page
from pipeline.results.views.explanation import comparison_tables
from tests.unit.results.html_page import Page
from tests.unit.results.small_studies import one_epoch_study


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Two studies, the first clearly better."""
    root, values = tmp_path_factory.mktemp("compared"), np.random.default_rng(0).uniform(0.1, 0.2, 20)
    return compared({"a": one_epoch_study(root, "a", values + 0.5), "b": one_epoch_study(root, "b", values)})


def test_the_page_has_the_tables_and_three_pictures(comparison: Comparison) -> None:
    """The page of a comparison has all tables and pictures against seconds, trials and epochs, and loads nothing."""
    text = comparison_page(comparison)
    page = Page(text)
    assert page.open == []
    for by in ("seconds", "trials", "epochs"):
        assert f"Best val_accuracy against {by}" in page.text
        assert f"Step chart of the best value of 2 studies against {by}." in text
    for table in comparison_tables(comparison):
        assert table.title in page.text
    assert not re.findall(r"(?:src|href)=.?https?:|url\(.?https?:", text)
    assert 'role="alert"' not in text


def test_studies_that_cannot_be_compared_have_an_alert(comparison: Comparison) -> None:
    """Studies that cannot be compared have an alert, and no statement about which is better."""
    text = comparison_page(replace(comparison, problems=["They differ."], differences=[]))
    assert 'role="alert"' in text
    assert "none is called the best. They differ." in Page(text).text
    assert "Is the first better?" not in text


def test_an_empty_study_has_a_page_too(tmp_path: Path) -> None:
    """An empty study is in the table of the comparison, but not in the pictures."""
    comparison = compared({"a": one_epoch_study(tmp_path, "a", []), "b": one_epoch_study(tmp_path, "b", [0.5] * 6)})
    assert "<svg" in comparison_page(comparison)
