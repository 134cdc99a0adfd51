"""The pages of studies, trials, comparisons and explanations, over HTTP."""

import base64
import hashlib
import re
from html import unescape
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from pipeline.page.app import mark_of
from pipeline.page.guard import POLICY
from pipeline.page.study_cache import StudyCache, StudyLine
from pipeline.page.study_page import TableQuery, content, selected
from pipeline.page.trial_page import content as trial_content
from pipeline.results import Results
from pipeline.results.tables.load import StudyRow
from pipeline.storage import Store
from tests.unit.page.conftest import Get
from tests.unit.results.html_page import Page
from tests.unit.results.small_studies import wide_study
from tests.unit.results.studies import asha_study

STUDY = "mnist-asha"
PAGES = [
    "/",
    f"/studies/{STUDY}",
    f"/studies/{STUDY}?where=epochs%20%3D%209&sort=-config_lr&page=2&metric=loss",
    f"/studies/{STUDY}?where=nothing%20%3D%201",
    f"/studies/{STUDY}/explain",
    f"/studies/{STUDY}/trials/0000",
    f"/studies/{STUDY}/trials/0004",
    "/studies/mnist-pbt?where=epochs%20%3E%203",
    "/compare?study=mnist-asha&study=mnist-pbt",
]


def shown(page: str) -> list[str]:
    """The trials of a page's leaderboard."""
    return re.findall(r'<tr class="[^"]*" data-trial="([^"]+)">', page)


def pictures(page: str) -> list[str]:
    """The addresses of a page's pictures."""
    return [unescape(address) for address in re.findall(r'<figure id="picture-[^"]+" data-part="([^"]+)">', page)]


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_whole_without_a_script(get: Get, path: str) -> None:
    """A page is HTML without an inline script or style, and its headers let the browser run none."""
    answer = get(path)
    assert answer.status_code == 200, answer.text
    assert Page(answer.text).open == []
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert re.findall(r"<script[^>]*>", answer.text) == ['<script src="/static/page.js" defer>']


@pytest.mark.parametrize("path", [PAGES[2], PAGES[5], PAGES[7], PAGES[8]])
def test_every_picture_of_a_page_is_drawn(get: Get, path: str) -> None:
    """Each picture of a page is an element of its own without a style, wide or narrow, and an unknown one is none."""
    addresses = pictures(get(path).text)
    assert addresses
    for address in (addresses[0], addresses[-1]):
        wide, narrow = get(address).text, get(f"{address}&narrow=1").text
        assert wide.count("<svg") == narrow.count("<svg") == 1
        assert " style=" not in wide
        assert 'role="img"' in wide
    assert get(addresses[0].replace("/pictures/", "/pictures/no")).status_code == 404


def test_studies_are_listed_with_what_they_came_to(get: Get) -> None:
    """Each study in the list has its state, its best value and its numbers of trials and epochs."""
    page = get("/").text
    for printed in (STUDY, "mnist-pbt", "finished", "val_accuracy", "0.9666", "24", "<polyline"):
        assert printed in page


def test_the_list_has_changed_when_a_study_has() -> None:
    """The list's mark changes with a study's row or its best values, but not with the estimate of the time left."""
    row = StudyRow(name="s", location="/s", state="running", trials=3)
    lines = [StudyLine(row, 60.0, (0.7,)), StudyLine(row, 50.0, (0.7,)), StudyLine(row, 60.0, (0.7, 0.4))]
    first, same, other = (mark_of([line]) for line in lines)
    assert first == same != other


@given(
    where=st.text(st.characters(exclude_categories=["Cs"])).map(str.strip),
    sort=st.text(st.characters(exclude_categories=["Cs"])),
    page=st.integers(1, 9_999_999),
)
def test_a_question_is_read_from_its_own_address(where: str, sort: str, page: int) -> None:
    """A query of the table that is written into an address and read from it is the same."""
    from urllib.parse import parse_qsl

    query = TableQuery(where, sort, page)
    assert TableQuery.of(dict(parse_qsl(query.address()[1:]))) == query


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "1.5", "²", "99999999999999999999"])
def test_an_invalid_page_number_shows_a_page(page: str) -> None:
    """An invalid page number shows the first page."""
    assert TableQuery.of({"page": page}).page == 1


def test_a_condition_chooses_the_trials_and_a_column_orders_them(get: Get, asha_results: Results) -> None:
    """The table has the trials that match an SQL condition, in the order of a column, whose head asks for the other."""
    assert shown(get(f"/studies/{STUDY}").text)[0] == asha_results.best.trial_id
    long = asha_results.trials.query("epochs == 9").sort_values("config_lr")["trial_id"].tolist()
    page = get(f"/studies/{STUDY}?where=epochs+%3D+9&sort=config_lr").text
    assert shown(page) == long
    assert f"{len(long)} of 24 match." in page
    assert 'aria-sort="ascending"><a href="?where=epochs+%3D+9&amp;sort=-config_lr"' in page
    assert shown(get(f"/studies/{STUDY}?where=epochs+%3D+9&sort=-config_lr").text) == long[::-1]


def test_pictures_and_numbers_are_those_of_the_trials_that_match(studies: StudyCache, asha_results: Results) -> None:
    """A condition chooses the trials of the tiles, the summary and the pictures, with their epochs and decisions."""
    results = selected(studies.snapshot(STUDY), "epochs = 9")
    chosen = asha_results.trials.query("epochs == 9")["trial_id"].tolist()
    assert results.trials["trial_id"].tolist() == chosen
    assert set(results.epochs["trial_id"]) == set(results.decisions["trial_id"]) == set(chosen)
    tiles = {label: value for label, value, _ in content(studies, STUDY, TableQuery("epochs = 9"))["tiles"]}
    assert tiles["trials"] == str(len(chosen))
    whole = {label: (value, note) for label, value, note in content(studies, STUDY, TableQuery())["tiles"]}
    assert whole["trials"] == ("24", "of 24: 18 stopped early, 2 failed")


def test_a_long_table_has_pages(tmp_path: Path) -> None:
    """The table has fifty trials on a page, and a page number beyond the last page shows the last page."""
    asha_study(tmp_path, trials=53)
    studies = StudyCache(Store(tmp_path))
    first, last, beyond = (content(studies, STUDY, TableQuery(page=page)) for page in (1, 2, 9))
    assert [len(shown(each["leaderboard"])) for each in (first, last, beyond)] == [50, 3, 3]
    assert (last["page"], last["pages"], last["at"](1)) == (2, 2, "?")


@pytest.mark.parametrize(
    ("query", "printed"),
    [
        (TableQuery("nothing = 1"), "config_lr"),
        (TableQuery(sort="nothing"), "nothing"),
        (TableQuery("1 = (select count(*) from read_text('/etc/passwd'))"), "cannot be answered"),
        (TableQuery("1" * 4001), "at most 4,000 characters; found 4,001"),
        (TableQuery("0 < (select count(*) from range(100000000000) where hash(range) % 7 = 1)"), "took longer than"),
    ],
)
def test_a_condition_that_cannot_be_answered_is_reported(
    studies: StudyCache, query: TableQuery, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of a condition or an order is shown above an empty table, without options of commands or files' text."""
    if "range(" in query.where:
        monkeypatch.setattr("pipeline.page.study_page.CONDITION_SECONDS", 0.1)
    found = content(studies, STUDY, query)
    assert printed in found["fault"]
    assert "--" not in found["fault"]
    assert "root:" not in found["fault"]
    assert (found["matching"], found["sections"]) == (0, [])
    assert content(studies, STUDY, TableQuery())["matching"] == 24


def test_a_table_has_columns_for_some_of_many_hyperparameters(tmp_path: Path) -> None:
    """Of 60 hyperparameters, the table has the first 30, and says so."""
    wide_study(tmp_path)
    found = content(StudyCache(Store(tmp_path)), "wide", TableQuery())
    assert len(re.findall(r">p\d+</a>", found["leaderboard"])) == 30
    assert found["parameters_note"].startswith("Of 60 hyperparameters, the first 30")


def test_an_explanation_is_fetched_by_its_page(get: Get) -> None:
    """The page of an explanation names the part with its tables, which has a section for each question."""
    (address,) = re.findall(r'data-part="([^"]+)"', get(f"/studies/{STUDY}/explain").text)
    text = get(unescape(address)).text
    assert "What early stopping did" in text
    assert "Why trials failed" in text or "ailed" in text


def test_a_report_runs_its_own_script_alone(get: Get) -> None:
    """The report of a study is sent with a policy that allows its own script by its hash."""
    answer = get(f"/studies/{STUDY}/report")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]
    assert Page(answer.text).open == []
    assert len(shown(answer.text)) == 24


def test_a_trial_is_shown_with_its_neighbours(studies: StudyCache) -> None:
    """A trial's page links its neighbours, except before the first and after the last, and has its decisions."""
    first, second, last = (trial_content(studies, STUDY, trial) for trial in ("0000", "0001", "0023"))
    assert (first["before"], first["after"]) == (None, "0001")
    assert (last["before"], last["after"]) == ("0022", None)
    assert [first["is_best"], second["is_best"]] == [False, True]
    decided = [(row["epoch"], row["kind"]) for row in second["decisions"].rows]
    assert decided == [(0, "start"), (1, "promote"), (3, "promote"), (9, "finish")]


def test_a_failed_trial_has_its_error(studies: StudyCache) -> None:
    """The page of a failed trial has an error and no value."""
    failed = trial_content(studies, STUDY, "0004")
    assert failed["state"] == "failed"
    assert "ValueError: units" in failed["error"]
    assert "val_accuracy" not in [label for label, _, _ in failed["tiles"]]


def test_a_trial_has_its_log_as_a_terminal_shows_it(get: Get) -> None:
    """A trial's page shows its log without colours and old states of progress bars, and the download has them."""
    page = get(f"/studies/{STUDY}/trials/0000").text
    assert "red\nstep 2\n&lt;b&gt;bold&lt;/b&gt;" in page
    answer = get(f"/studies/{STUDY}/trials/0000/log")
    assert answer.content.startswith(b"\x1b[31mred")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="0000.log"'


def test_a_long_trial_shows_the_ends_of_its_log_and_its_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a long log is shown with the size of what is left out, and the newest epochs of many."""
    asha_study(tmp_path, trials=2).store.write("logs/0000.log", b"a" * 1_000_000 + b"\nthe end\n")
    monkeypatch.setattr("pipeline.page.trial_page.TABLE_EPOCHS", 4)
    found = trial_content(StudyCache(Store(tmp_path)), STUDY, "0000")
    text, before = found["log"]
    assert text.endswith("a\nthe end")
    assert (len(text) <= 200_000, before) == (True, "800 kB")
    assert [row["epoch"] for row in found["epochs"].rows] == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("path", "name", "bytes_"),
    [
        ("files/deep/er.txt", "er.txt", b"written"),
        ("checkpoint", "0000-000009.ckpt", b"weights"),
    ],
)
def test_a_trials_files_can_be_downloaded(get: Get, path: str, name: str, bytes_: bytes) -> None:
    """A trial's files and its newest checkpoint are sent as downloads that the browser does not display."""
    answer = get(f"/studies/{STUDY}/trials/0000/{path}")
    assert answer.content == bytes_
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert answer.headers["Content-Security-Policy"] == "sandbox"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'


@pytest.mark.parametrize(
    "path",
    [
        "/studies/..%2f..%2fetc",
        "/studies/none",
        f"/studies/{STUDY}/trials/9999",
        f"/studies/{STUDY}/trials/..%2f..%2fsecret.txt",
        f"/studies/{STUDY}/trials/0000/files/..%2f..%2fstudy.json",
        f"/studies/{STUDY}/trials/0000/files/%2fetc%2fpasswd",
        f"/studies/{STUDY}/trials/0001/log",
        f"/studies/{STUDY}/trials/0004/checkpoint",
        "/studies/secret.txt",
        "/static/..%2fapp.py",
        "/compare?study=mnist-asha&study=none",
        "/nothing",
    ],
)
def test_no_path_leads_anywhere_else(get: Get, path: str) -> None:
    """A path that belongs to no study, trial or file is not found, and the answer reveals no other files."""
    answer = get(path)
    assert answer.status_code == 404, answer.text
    assert "no study's" not in answer.text


@pytest.mark.parametrize("names", [[], [STUDY], [STUDY] * 2, [f"s-{number}" for number in range(9)]])
def test_two_to_eight_studies_can_be_compared(get: Get, names: list[str]) -> None:
    """A comparison of fewer than two or more than eight studies is refused before any is read."""
    answer = get("/compare?" + "&".join(f"study={quote(name)}" for name in names))
    assert answer.status_code == 400
    assert f"Choose 2 to 8 studies to compare; found {len(set(names))}" in answer.text


def test_programs_get_text_instead_of_a_page(get: Get) -> None:
    """Requests for data get an error as one line of text instead of a page."""
    answer = get("/studies/none", headers={"Accept": "application/json"})
    assert answer.status_code == 404
    assert answer.text.startswith("There is no study 'none'")


@pytest.mark.parametrize("path", ["/", f"/studies/{STUDY}", "/compare?study=mnist-asha&study=mnist-pbt"])
def test_events_begin_with_themark_of_the_page(get: Get, path: str) -> None:
    """Events begin with the page's current mark, so that a page that is up to date does not reload."""
    page = get(path).text
    mark, events = (unescape(page.partition(f'data-{name}="')[2].partition('"')[0]) for name in ("mark", "events"))
    with get(events, stream=True) as answer:
        assert next(answer.iter_lines()) == f"data: {mark}".encode()
