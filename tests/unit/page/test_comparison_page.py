"""Several studies side by side."""

from pathlib import Path

import pytest

from pipeline.errors import JobNotFound, UsageError
from pipeline.page.comparison_page import comparison_content, comparison_mark
from pipeline.page.study_cache import StudyCache
from pipeline.storage import Store
from tests.clocks import Clock
from tests.unit.results.studies import asha_study


def test_studies_are_compared_in_the_order_that_they_are_named_in(studies: StudyCache) -> None:
    """Studies are compared in the given order, and a study that is named twice counts once."""
    found = comparison_content(studies, ["mnist-pbt", "mnist-asha", "mnist-pbt"])
    assert found["names"] == ["mnist-pbt", "mnist-asha"]
    assert found["objective"] == "val_accuracy"
    assert found["tables"][0].title == "Studies"
    assert [next(iter(row.values())) for row in found["tables"][0].rows] == ["mnist-pbt", "mnist-asha"]


@pytest.mark.parametrize("names", [[], ["mnist-asha"], ["mnist-asha"] * 2, [f"s-{number}" for number in range(9)]])
def test_two_to_eight_studies_can_be_compared(studies: StudyCache, names: list[str]) -> None:
    """A comparison of fewer than two or more than eight studies is refused before any is read."""
    with pytest.raises(UsageError, match=f"Choose 2 to 8 studies to compare; found {len(set(names))}"):
        comparison_content(studies, names)


def test_an_unknown_study_is_named(studies: StudyCache) -> None:
    """A comparison with an unknown study is refused with the study's name."""
    with pytest.raises(JobNotFound, match="none"):
        comparison_content(studies, ["mnist-asha", "none"])


def test_a_comparison_has_changed_when_one_of_its_studies_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark of a comparison changes with new rows of either study, so that the page updates itself."""
    studies = {name: asha_study(tmp_path, trials=4, name=name) for name in ("first", "second")}
    clock = Clock()
    monkeypatch.setattr("pipeline.page.study_cache.time", clock)
    cache = StudyCache(Store(tmp_path))
    marks = [comparison_content(cache, list(studies))["mark"]]
    for study in studies.values():
        study.decide("0000", 9, "finish", 50.0, "again")
        study.flush()
        clock.now += 60
        marks.append(comparison_mark(cache, list(studies)))
    assert len(set(marks)) == 3
