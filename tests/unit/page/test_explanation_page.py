"""Why a study went as it did, on its page."""

from pathlib import Path

from pipeline.page.explanation_page import explanation_content
from pipeline.page.readings import StudyCache
from pipeline.storage import Store
from tests.unit.results.studies import asha_study, pbt_study


def test_failures_and_stopping_are_explained(tmp_path: Path) -> None:
    """The page of an explanation has a section for each question and for each cause of failures."""
    asha_study(tmp_path, trials=6)
    found = explanation_content(StudyCache(Store(tmp_path)), "mnist-asha")
    titles = [title for title, _ in found["sections"]]
    assert titles == ["How well early values predict final values", "What early stopping did", "Where the time went"]
    assert [cause.trials for cause in found["causes"]] == [["0004"]]


def test_only_a_population_has_a_lineage(tmp_path: Path) -> None:
    """The lineage is shown only for studies in which trials took weights over."""
    pbt_study(tmp_path, trials=6)
    found = explanation_content(StudyCache(Store(tmp_path)), "mnist-pbt")
    assert "Copied weights" in [title for title, _ in found["sections"]]
