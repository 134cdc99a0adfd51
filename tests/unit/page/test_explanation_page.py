"""Why a study went as it did, on its page."""

import threading
from pathlib import Path

import pytest

from pipeline.page import explanation_page, study_cache
from pipeline.page.explanation_page import Explanations
from pipeline.page.study_cache import StudyCache
from pipeline.results import Results
from pipeline.results.views.explanation import explanation_tables
from pipeline.results.views.table import Table
from pipeline.storage import Store
from tests.clocks import Leaping
from tests.unit.results.studies import asha_study, pbt_study

LONG = 300.0


def _content(storage: Path, name: str) -> dict[str, object]:
    return Explanations(StudyCache(Store(storage)), timeout=LONG).content(name)


def test_failures_and_stopping_are_explained(tmp_path: Path) -> None:
    """The page of an explanation has a section for each question and for each cause of failures."""
    asha_study(tmp_path, trials=6)
    found = _content(tmp_path, "mnist-asha")
    assert [table.name for table in found["tables"]] == ["importance", "early", "stopping", "time", "failures"]
    assert [row["trials"] for row in found["tables"][-1].rows] == [["0004"]]


def test_only_a_population_has_a_lineage(tmp_path: Path) -> None:
    """The lineage is shown only for studies in which trials took weights over."""
    pbt_study(tmp_path, trials=6)
    found = _content(tmp_path, "mnist-pbt")
    assert "lineage" in [table.name for table in found["tables"]]


def test_a_page_waits_for_a_long_explanation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an explanation is computed the page says so; it is computed once, even if the study changes meanwhile."""
    study = asha_study(tmp_path, trials=6)
    may_end, computed = threading.Event(), list[Results]()

    def slow(results: Results) -> list[Table]:
        computed.append(results)
        may_end.wait()
        return explanation_tables(results)

    monkeypatch.setattr(explanation_page, "explanation_tables", slow)
    monkeypatch.setattr(study_cache, "time", Leaping())
    cache = StudyCache(Store(tmp_path))
    explanations = Explanations(cache, timeout=0.05)
    first = explanations.content("mnist-asha")
    mark = first["waits_for"]
    assert (first["trials"], mark) == (6, cache.mark("mnist-asha"))
    study.decide("0000", 1, "stop", 9.0)
    study.flush()
    assert cache.mark("mnist-asha") != mark
    assert explanations.content("mnist-asha", mark)["waits_for"] == mark
    may_end.set()
    while (found := explanations.content("mnist-asha", mark))["waits_for"]:
        pass
    assert found["tables"]
    assert len(computed) == 1
    while explanations.content("mnist-asha")["waits_for"]:
        pass
    assert len(computed) == 2


def test_an_explanation_that_failed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of a computation is raised, and the next request computes again."""
    asha_study(tmp_path, trials=6)
    explanations = Explanations(StudyCache(Store(tmp_path)), timeout=LONG)
    with monkeypatch.context() as patch:
        patch.setattr(explanation_page, "explanation_tables", lambda _results: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            explanations.content("mnist-asha")
    assert explanations.content("mnist-asha")["tables"]
