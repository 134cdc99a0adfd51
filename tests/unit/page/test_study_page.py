"""The page of one study: its table of trials, and the questions that choose them."""

from pathlib import Path
from urllib.parse import parse_qsl

import pytest
from hypothesis import given, strategies as st

from pipeline.errors import JobNotFound, UsageError
from pipeline.page.study_cache import StudyCache
from pipeline.page.study_page import TableQuery, content, matching, table
from pipeline.results import Results
from pipeline.storage import Store
from tests.unit.results.small_studies import wide_study
from tests.unit.results.studies import asha_study

STUDY = "mnist-asha"


def shown(studies: StudyCache, **asked: str | int) -> list[str]:
    """The trials in the table, as it lists them."""
    return [row["trial"] for row in table(studies, STUDY, TableQuery(**asked))["rows"]]


@given(
    where=st.text(st.characters(exclude_categories=["Cs"])).map(str.strip),
    sort=st.text(st.characters(exclude_categories=["Cs"])),
    page=st.integers(1, 3) | st.integers(1, 9_999_999),
)
def test_a_question_is_read_from_its_own_address(where: str, sort: str, page: int) -> None:
    """A query of the table that is written into an address and read from it is the same."""
    query = TableQuery(where, sort, page)
    assert TableQuery.of(dict(parse_qsl(query.address()[1:]))) == query


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "1.5", "²", "99999999999999999999"])
def test_an_invalid_page_number_shows_a_page(page: str) -> None:
    """An invalid page number shows the first page."""
    assert TableQuery.of({"page": page}).page == 1


def test_the_table_begins_with_the_best(studies: StudyCache, asha_results: Results) -> None:
    """Without an order, the table of trials has the best trial in its first row and marks it."""
    found = table(studies, STUDY, TableQuery())
    assert asha_results.best is not None
    assert [row["trial"] for row in found["rows"] if row["best"]] == [asha_results.best.trial_id]
    assert found["rows"][0]["best"]
    assert found["matching"] == found["total"] == len(asha_results.trials)


def test_a_condition_chooses_the_trials_and_a_column_orders_them(studies: StudyCache, asha_results: Results) -> None:
    """The table has the trials that match an SQL condition, in ascending or descending order of a column."""
    long = asha_results.trials.query("epochs == 9").sort_values("config_lr")["trial_id"].tolist()
    assert shown(studies, where="epochs = 9", sort="config_lr") == long
    assert shown(studies, where="epochs = 9", sort="-config_lr") == long[::-1]


def test_matches_are_reported_by_position(studies: StudyCache, asha_results: Results) -> None:
    """Matches are positions in the order of the draw, and without a condition every trial matches."""
    long = (asha_results.trials["epochs"] == 9).to_numpy().nonzero()[0].tolist()
    assert matching(studies, STUDY, "epochs = 9") == long
    assert matching(studies, STUDY, " ") == list(range(len(asha_results.trials)))


def test_a_head_asks_for_the_other_order(studies: StudyCache) -> None:
    """The head of the column by which trials are sorted links to the opposite order with the same condition."""
    heads = {each["name"]: each for each in table(studies, STUDY, TableQuery("epochs > 1", "config_lr"))["heads"]}
    assert heads["lr"]["order"] == "ascending"
    assert TableQuery.of(dict(parse_qsl(heads["lr"]["address"][1:]))) == TableQuery("epochs > 1", "-config_lr")
    assert heads["epochs"]["order"] == ""


def test_a_long_table_has_pages(tmp_path: Path) -> None:
    """The table has fifty trials on a page, and a page number beyond the last page shows the last page."""
    asha_study(tmp_path, trials=53)
    studies = StudyCache(Store(tmp_path))
    assert len(shown(studies)) == 50
    last = table(studies, STUDY, TableQuery(page=2))
    assert [last["page"], last["pages"], len(last["rows"])] == [2, 2, 3]
    assert shown(studies, page=9) == [row["trial"] for row in last["rows"]]
    assert last["at"](1) == "?"


def test_a_condition_that_cannot_be_read_is_reported(studies: StudyCache) -> None:
    """An invalid condition is reported with its fault and the existing columns above an empty table."""
    found = table(studies, STUDY, TableQuery("nothing = 1"))
    assert "The condition cannot be answered" in found["fault"]
    assert "config_lr" in found["fault"]
    assert found["rows"] == []


def test_an_invalid_order_is_reported(studies: StudyCache) -> None:
    """An invalid order is reported without the name of a command-line option."""
    found = table(studies, STUDY, TableQuery(sort="nothing"))
    assert "nothing" in found["fault"]
    assert "--" not in found["fault"]


def test_a_condition_cannot_reach_files(studies: StudyCache) -> None:
    """A condition that reads a file is refused, and the error does not contain the file's text."""
    with pytest.raises(UsageError, match="cannot be answered") as caught:
        matching(studies, STUDY, "1 = (select count(*) from read_text('/etc/passwd'))")
    assert "root:" not in str(caught.value)


def test_a_condition_that_takes_too_long_is_given_up(studies: StudyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """A condition that takes too long is reported in the table, and the next one is answered."""
    monkeypatch.setattr("pipeline.page.study_page.CONDITION_SECONDS", 0.1)
    slow = "0 < (select count(*) from range(100000000000) where hash(range) % 7 = 1)"
    assert "took longer than" in table(studies, STUDY, TableQuery(slow))["fault"]
    assert table(studies, STUDY, TableQuery("epochs = 9"))["matching"] > 0


def test_a_condition_has_a_maximum_length(studies: StudyCache) -> None:
    """A condition that is too long is refused without being evaluated."""
    with pytest.raises(UsageError, match=r"at most 4,000 characters; found 4,001"):
        matching(studies, STUDY, "1" * 4001)


def test_the_page_begins_with_what_is_looked_for_first(studies: StudyCache, asha_results: Results) -> None:
    """A study's page begins with tiles for the best value with its trial, and for early stops and failures."""
    tiles = {label: (value, beside) for label, value, beside in content(studies, STUDY, TableQuery())["tiles"]}
    assert tiles["best val_accuracy"] == ("0.9666", "trial 0001, epoch 9")
    assert tiles["trials"] == ("24", "of 24: 18 stopped early, 2 failed")
    assert tiles["epochs"][0] == str(asha_results.trials["epochs"].sum())


def test_the_space_is_described(studies: StudyCache) -> None:
    """The space is described with each drawn parameter's domain and each fixed value."""
    space = dict(content(studies, STUDY, TableQuery())["space"])
    assert space["optimizer"] == "one of sgd, rmsprop, adam"
    assert space["epochs_warm"] == "fixed at 2"


def test_an_unknown_study_has_no_page(studies: StudyCache) -> None:
    """The page of an unknown study is refused with the study's name."""
    with pytest.raises(JobNotFound, match="none"):
        content(studies, "none", TableQuery())


def test_a_table_has_columns_for_some_of_many_hyperparameters(tmp_path: Path) -> None:
    """Of 60 hyperparameters, the table has the 30 most influential ones, and says so."""
    wide_study(tmp_path)
    found = table(StudyCache(Store(tmp_path)), "wide", TableQuery())
    assert sum(head["name"].startswith("p") for head in found["heads"]) == 30
    assert "p41" in [head["name"] for head in found["heads"]]
    assert found["some"].startswith("Of 60 hyperparameters, the 30 with the most influence")
