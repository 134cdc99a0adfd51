"""The pages of studies and trials, over HTTP, and the cache of what they show."""

import base64
import hashlib
import re
from collections.abc import Callable
from html import unescape
from itertools import count, islice
from pathlib import Path

import pytest
import requests

from pipeline.errors import JobNotFound
from pipeline.page.server import POLICY
from pipeline.page.study_cache import StudyCache
from pipeline.page.study_page import TableQuery, content, selected
from pipeline.page.trial_page import content as trial_content
from pipeline.results import Results
from pipeline.results.tables.load import overview
from pipeline.storage import Store
from tests.clocks import Clock
from tests.html_page import Page
from tests.recorded_studies import Recording, asha_study
from tests.serving import serving
from tests.unit.page.conftest import Get, events

STUDY = "mnist-asha"
CONDITION = f"/studies/{STUDY}?where=epochs%20%3D%209&sort=-config_lr&metric=loss"
PAGES = [
    "/",
    f"/studies/{STUDY}",
    CONDITION,
    f"/studies/{STUDY}?where=nothing%20%3D%201",
    f"/studies/{STUDY}/trials/0000",
    f"/studies/{STUDY}/trials/0004",
    "/studies/mnist-pbt?where=epochs%20%3E%203",
]


def shown(page: str) -> list[str]:
    return re.findall(r'<tr class="[^"]*" data-trial="([^"]+)">', page)


@pytest.mark.parametrize("path", PAGES)
def test_each_page_is_whole_without_a_script(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 200, answer.text
    assert Page(answer.text).open == []
    assert answer.headers["Content-Security-Policy"] == POLICY
    assert "unsafe" not in POLICY
    assert " style=" not in answer.text
    assert "<style" not in answer.text
    assert re.findall(r"<script[^>]*>", answer.text) == ['<script src="/static/page.js" defer>']


@pytest.mark.parametrize("path", [CONDITION, PAGES[4], PAGES[6]])
def test_pictures_of_a_page_are_drawn_one_by_one(get: Get, path: str) -> None:
    found = re.findall(r'<figure id="picture-[^"]+" data-part="([^"]+)">', get(path).text)
    addresses = [unescape(address) for address in found]
    picture = get(addresses[0]).text
    assert picture.count("<svg") == 1
    assert " style=" not in picture
    assert 'role="img"' in picture
    assert get(addresses[0].replace("/pictures/", "/pictures/no")).status_code == 404


def test_a_condition_chooses_the_trials_and_a_column_orders_them(get: Get, asha_results: Results) -> None:
    assert shown(get(f"/studies/{STUDY}").text)[0] == asha_results.best.trial_id
    long = asha_results.trials.query("epochs == 9").sort_values("config_lr")["trial_id"].tolist()
    page = get(f"/studies/{STUDY}?where=epochs+%3D+9&sort=config_lr").text
    assert shown(page) == long
    assert f"{len(long)} of 24 match." in page
    assert 'aria-sort="ascending"><a href="?where=epochs+%3D+9&amp;sort=-config_lr"' in page
    assert shown(get(f"/studies/{STUDY}?where=epochs+%3D+9&sort=-config_lr").text) == long[::-1]


def test_pictures_and_numbers_are_those_of_the_trials_that_match(studies: StudyCache, asha_results: Results) -> None:
    results = selected(studies.snapshot(STUDY), "epochs = 9")
    chosen = asha_results.trials.query("epochs == 9")["trial_id"].tolist()
    assert results.trials["trial_id"].tolist() == chosen
    assert set(results.epochs["trial_id"]) == set(results.decisions["trial_id"]) == set(chosen)
    tiles = {label: value for label, value, _ in content(studies, STUDY, TableQuery("epochs = 9"))["tiles"]}
    assert tiles["trials"] == str(len(chosen))


def test_a_long_table_has_its_first_rows(studies: StudyCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.page.study_page._ROWS", 5)
    found = content(studies, STUDY, TableQuery(sort="config_lr"))
    assert (len(shown(found["leaderboard"])), found["listed"], found["trials"]) == (5, 5, 24)


@pytest.mark.parametrize(("query", "printed"), [
    (TableQuery("nothing = 1"), "config_lr"),
    (TableQuery(sort="nothing"), "nothing"),
    (TableQuery("1 = (select count(*) from read_text('/etc/passwd'))"), "cannot be answered"),
    (TableQuery("0 < (select count(*) from range(100000000000) where hash(range) % 7 = 1)"), "took longer than"),
])  # fmt: skip
def test_a_condition_that_cannot_be_answered_is_reported(
    studies: StudyCache, query: TableQuery, printed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "range(" in query.where:
        monkeypatch.setattr("pipeline.page.study_page.CONDITION_SECONDS", 0.1)
    found = content(studies, STUDY, query)
    assert printed in found["fault"]
    assert "--" not in found["fault"]
    assert "root:" not in found["fault"]
    assert (found["trials"], len(found["sections"]) > 1) == (24, True)
    assert content(studies, STUDY, TableQuery())["trials"] == 24


@pytest.mark.usefixtures("no_pictures")
def test_a_report_runs_its_own_script_alone(get: Get) -> None:
    answer = get(f"/studies/{STUDY}/report")
    (script,) = re.findall(r"<script>(.*?)</script>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in answer.headers["Content-Security-Policy"]


def test_a_trial_is_shown_with_its_files_and_decisions(studies: StudyCache) -> None:
    first, second = (trial_content(studies, STUDY, trial) for trial in ("0000", "0001"))
    assert [first["is_best"], second["is_best"]] == [False, True]
    assert first["files"] == [("deep/er.txt", "7 bytes")]
    decided = [(row["epoch"], row["kind"]) for row in second["tables"][1].rows]
    assert decided == [(0, "start"), (1, "promote"), (3, "promote"), (9, "complete")]


def test_a_failed_trial_has_its_error_and_no_value(studies: StudyCache) -> None:
    failed = trial_content(studies, STUDY, "0004")
    assert failed["state"] == "failed"
    assert "ValueError: units" in failed["error"]
    assert "best" not in dict(failed["summary"])


def test_a_long_trial_shows_the_ends_of_its_log_and_its_epochs(
    tmp_path: Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log is shown as a terminal would: without colours and old states of progress bars; of a long one the end."""
    assert "red\nstep 2\n&lt;b&gt;bold&lt;/b&gt;" in get(f"/studies/{STUDY}/trials/0000").text
    asha_study(tmp_path, trials=2).store.write("logs/0000.log", b"a" * 1_000_000 + b"\nthe end\n")
    monkeypatch.setattr("pipeline.page.trial_page.MAX_ROWS", 4)
    found = trial_content(StudyCache(Store(tmp_path)), STUDY, "0000")
    text, before = found["log"]
    assert text.endswith("a\nthe end")
    assert (len(text) <= 200_000, before) == (True, "800 kB")
    assert [row["epoch"] for row in found["tables"][0].rows] == [6, 7, 8, 9]
    assert found["tables"][0].note == "The newest 4 of 9 rows."


@pytest.mark.parametrize("path", [
    "/studies/..%2f..%2fetc",
    "/studies/none",
    f"/studies/{STUDY}/trials/9999",
    f"/studies/{STUDY}/trials/..%2f..%2fsecret.txt",
    "/studies/secret.txt",
    "/static/..%2fapp.py",
    "/nothing",
])  # fmt: skip
def test_no_path_leads_anywhere_else(get: Get, path: str) -> None:
    answer = get(path)
    assert answer.status_code == 404, answer.text
    assert "no study's" not in answer.text
    # Programs get text instead of a page.
    assert "<" not in get(path, headers={"Accept": "application/json"}).text


def test_the_newest_study_is_listed_first(get: Get, storage: Path) -> None:
    names = [row.name for row in overview(Store(storage))]
    assert re.findall(r'class="name"><a href="/studies/([^"]+)"', get("/").text) == names[::-1]


@pytest.fixture
def study(tmp_path: Path) -> Recording:
    return asha_study(tmp_path, trials=4)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("pipeline.page.study_cache.time", clock)
    return clock


@pytest.fixture
def own(study: Recording, clock: Clock) -> StudyCache:
    return StudyCache(Store(study.root))


@pytest.mark.parametrize(
    "name", ["", "none", ".", "..", "../x", ".hidden", f"{STUDY}/epochs", f"{STUDY}/", "secret.txt", "a\0b"]
)
def test_only_a_study_has_a_folder(studies: StudyCache, name: str, storage: Path) -> None:
    assert studies.folder(STUDY).uri == str(storage / STUDY)
    with pytest.raises(JobNotFound, match="There is no study"):
        studies.folder(name)


def test_a_study_is_read_again_when_it_has_changed(own: StudyCache, study: Recording, clock: Clock) -> None:
    before, mark = own.snapshot(STUDY), own.mark(STUDY)
    clock.now += 60
    assert own.snapshot(STUDY) is before
    study.decide("0000", 9, "complete", 50.0, "again")
    study.flush()
    assert own.mark(STUDY) == mark
    clock.now += 60
    assert own.mark(STUDY) != mark
    assert len(own.snapshot(STUDY).results.decisions) == len(before.results.decisions) + 1


def add_torn(study: Recording) -> None:
    (study.root / "torn").mkdir()
    (study.root / "torn" / "study.json").write_text("{")


def add_decision(study: Recording) -> None:
    study.decide("0000", 9, "complete", 50.0, "again")
    study.flush()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("path", "change"), [("/", add_torn), (f"/studies/{STUDY}", add_decision)])
def test_an_open_page_hears_that_it_has_changed(
    study: Recording, path: str, change: Callable[[Recording], None]
) -> None:
    """What it may have missed is repeated first. A study that cannot be read does not hide the others."""
    with serving(study.root) as address:
        page = requests.get(address + path, timeout=60).text
        mark, changes = (
            unescape(page.partition(f'data-{name}="')[2].partition('"')[0]) for name in ("mark", "changes")
        )
        heard = events(address + changes)
        assert next(heard) == mark
        change(study)
        assert next(heard) != mark
        assert STUDY in requests.get(address + path, timeout=60).text
    assert list(heard) == []


def test_a_connection_without_news_is_not_silent(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, seconds in (("LOOK", 600), ("BEAT", 0), ("TICK", 0.01)):
        monkeypatch.setattr(f"pipeline.page.app._{name}_SECONDS", seconds)
    with requests.get(f"{address}/studies/{STUDY}/events", stream=True, timeout=60) as answer:
        assert set(islice(answer.iter_lines(), 8)) == {b"data: ", b""}


@pytest.mark.usefixtures("quick")
def test_all_viewers_of_a_study_share_one_look(study: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = map(str, count())
    monkeypatch.setattr(StudyCache, "mark", lambda *_: next(looks))
    with serving(study.root) as address:
        viewers = [events(f"{address}/studies/{STUDY}/events") for _ in range(10)]
        *_, last = [next(viewer) for viewer in viewers]
        # Each look has another result, which all have heard who were there.
        assert all(last in islice(viewer, 100) for viewer in viewers[:-1])
