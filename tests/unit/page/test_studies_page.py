"""The list of a storage's studies."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from pipeline.page.studies_page import mark_of, studies_content
from pipeline.page.study_cache import StudyCache, StudyLine
from pipeline.results.tables.load import StudyRow

LINE = StudyLine(
    StudyRow(
        name="s", location="/s", state="running", trials=3, epochs=9, metric="loss", best=0.5,
        started=datetime(2026, 1, 1, tzinfo=UTC), fault=None,
    ),
    60.0,
    [0.7, 0.5],
    "min",
)  # fmt: skip


def test_a_study_is_listed_with_what_it_came_to(studies: StudyCache) -> None:
    """A study is listed with its state, its best value, and its numbers of trials and epochs."""
    listed = {study["name"]: study for study in studies_content(studies)["studies"]}
    reported = listed["mnist-asha"]
    assert [reported[key] for key in ("state", "trials", "epochs", "metric", "best")] == [
        "finished", 24, 64, "val_accuracy", "0.9666",
    ]  # fmt: skip
    assert reported["left"] == "–"


def test_the_picture_of_a_study_rises_with_its_best_value(studies: StudyCache) -> None:
    """In the picture of a study in the list, the line rises with the best value over the full height."""
    listed = {study["name"]: study for study in studies_content(studies)["studies"]}
    points = listed["mnist-asha"]["spark"].partition('points="')[2].partition('"')[0].split()
    heights = [float(point.partition(",")[2]) for point in points]
    assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[-1] == 20


@pytest.mark.parametrize(
    "changed",
    [replace(LINE, row=replace(LINE.row, epochs=10)), replace(LINE, sparks=[0.7, 0.4])],
    ids=["row", "sparks"],
)
def test_the_list_has_changed_when_a_study_has(changed: StudyLine) -> None:
    """The list's mark changes when a study changes, so that the page reloads."""
    assert mark_of([changed]) != mark_of([LINE])


def test_the_clock_does_not_change_the_list() -> None:
    """The list's mark does not change with the estimated time that is left."""
    assert mark_of([replace(LINE, left=59.0)]) == mark_of([LINE])
