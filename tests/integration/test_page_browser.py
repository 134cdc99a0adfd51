"""The live page in a real browser: it draws, filters, follows a running study, and needs no pointer."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pipeline.space import Uniform
from pipeline.storage import Store
from pipeline.storage.processes import identity
from pipeline.study import layout
from tests.browser import BROWSER, Browser, browsing
from tests.serving import serving
from tests.unit.results.extreme_studies import many_parameters
from tests.unit.results.studies import Recording, asha_study, pbt_study, tune_job

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: the page was not looked at in a browser")

READY = "document.documentElement.dataset.ready"
NOTE = "document.querySelector('#table [role=status]').textContent"

HIDE = """(hidden => {{
    Object.defineProperty(document, 'hidden', {{ value: hidden, configurable: true }});
    document.dispatchEvent(new Event('visibilitychange'));
}})({})"""
"""Hides the page, or shows it again, as another tab of the browser does."""


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished studies."""
    root = tmp_path_factory.mktemp("browsed")
    asha_study(root, trials=40)
    pbt_study(root)
    return root


@pytest.fixture(scope="module")
def address(storage: Path) -> Iterator[str]:
    """The address of their page."""
    with serving(storage) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


def drawn(browser: Browser) -> int:
    """Wait until each picture's canvas is drawn; returns the number of pictures."""
    count: int = browser.js("document.querySelectorAll('.picture').length")
    for place in range(count):
        one = f"document.querySelectorAll('.picture')[{place}]"
        browser.js(f"{one}.scrollIntoView({{block: 'center'}})")
        browser.until(f"""(canvas => canvas.width > 100 && canvas.getContext('2d')
            .getImageData(0, 0, canvas.width, canvas.height).data.some(Boolean))({one}.firstChild)""")
    return count


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, True)])
@pytest.mark.parametrize(
    ("path", "pictures"),
    [
        ("/studies/mnist-asha", 10),
        ("/studies/mnist-asha/trials/0000", 5),
        ("/compare?study=mnist-asha&study=mnist-pbt", 1),
    ],
)
def test_pages_draw_their_pictures_and_load_nothing_from_elsewhere(
    browser: Browser, address: str, path: str, pictures: int, width: int, dark: bool
) -> None:
    """Every picture is drawn without an error within the window, and only the server is requested."""
    browser.open(address + path, width=width, dark=dark)
    browser.until(READY)
    assert drawn(browser) == pictures
    assert browser.faults() == []
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert [url for url in browser.requested() if not url.startswith((address, "data:"))] == []


def test_a_brush_filters_the_table_by_a_condition_in_sql(browser: Browser, address: str) -> None:
    """A drag along an axis writes a condition that the address keeps, and a click on the axis removes it."""
    browser.open(f"{address}/studies/mnist-asha")
    browser.until(READY)
    browser.js("document.getElementById('parallel').scrollIntoView({block: 'center'})")
    left, top = browser.js("(box => [box.left, box.top])(document.getElementById('parallel').getBoundingClientRect())")
    browser.drag((left + 36, top + 60), (left + 36, top + 160))
    browser.until(f"{NOTE}.includes('of 40 match')")
    condition = browser.js("document.getElementById('where').value")
    assert condition.startswith("config_lr between ")
    assert browser.js("new URLSearchParams(location.search).get('where')") == condition
    places = browser.js(
        "fetch(`${document.getElementById('head').dataset.study}/matching${location.search}`).then(a => a.json())"
    )
    assert browser.js(f"{NOTE}").startswith(f"{len(places['places'])} of 40")
    browser.drag((left + 36, top + 200), (left + 36, top + 200))
    browser.until(f"{NOTE}.includes('40 in total')")
    assert browser.faults() == []


def test_two_hyperparameters_are_shown_as_contours_or_ranks(browser: Browser, address: str) -> None:
    """Contours and ranks of two parameters are different pictures, even if one parameter lists its values."""
    browser.open(f"{address}/studies/mnist-asha")
    browser.until(READY)
    browser.js("document.getElementById('plane').scrollIntoView({block: 'center'})")
    seen = set()
    for across in ("config_lr", "config_optimizer"):
        for shown in ("contour", "ranks"):
            browser.js(f"""for (const [id, value] of [['plane-across', '{across}'], ['plane-as', '{shown}']]) {{
                document.getElementById(id).value = value;
                document.getElementById(id).dispatchEvent(new Event('change'));
            }}""")
            browser.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seen.add(browser.js("document.getElementById('plane').firstChild.toDataURL()"))
    assert len(seen) == 4
    assert browser.faults() == []


def test_an_axis_has_two_numbers_at_least(browser: Browser, address: str) -> None:
    """A small axis has two different numbers unless its values are equal, and is logarithmic above two decades."""
    browser.open(f"{address}/studies/mnist-asha")
    ticks = "(await import('/static/axis.js')).Axis"
    labels = f"new ({ticks})({{values}}).ticks(5).map(tick => tick.label)"
    assert browser.js(f"(async () => {labels.format(values='[0.9999, 0.99996]')})()") == [
        "0.99990", "0.99992", "0.99994", "0.99996",
    ]  # fmt: skip
    assert browser.js(f"(async () => {labels.format(values='[0, 250000]')})()") == ["0", "100,000", "200,000"]
    assert browser.js(f"(async () => new ({ticks})([0.52, 1.0]).ticks(2.2).length)()") >= 2
    assert browser.js(f"(async () => new ({ticks})([3, 3]).ticks(2.2).length)()") == 1
    assert browser.js(f"(async () => [new ({ticks})([1, 101]).log, new ({ticks})([1, 99]).log])()") == [True, False]


def test_the_table_works_without_a_script(browser: Browser, address: str) -> None:
    """Without JavaScript, studies, trials, filter and order are links and forms."""
    browser.open(f"{address}/studies/mnist-asha?where=epochs%3D9&sort=-config_lr", script=False)
    document = browser.call("DOM.getDocument", depth=-1)["root"]["nodeId"]
    html = browser.call("DOM.getOuterHTML", nodeId=document)["outerHTML"]
    assert "of 40 match." in html
    assert 'aria-sort="descending"' in html
    browser.open(address)


def test_a_keyboard_is_enough(browser: Browser, address: str) -> None:
    """Enter applies the filter, Tab reaches the pictures, and an arrow key and Enter open a trial in one."""
    browser.open(f"{address}/studies/mnist-asha")
    browser.until(READY)
    browser.js("document.getElementById('where').focus(); document.getElementById('where').value = 'epochs = 9'")
    browser.press("Enter")
    browser.until(f"{NOTE}.includes('of 40 match')")
    reached = set()
    for _ in range(12):
        browser.press("Tab")
        reached.add(browser.js("document.activeElement.id || document.activeElement.tagName"))
        if browser.js("document.activeElement.id") == "curves":
            break
    assert "metric" in reached
    assert "curves" in reached
    browser.press("ArrowDown")
    printed = browser.js("document.activeElement.getAttribute('aria-label')")
    assert printed.startswith("trial ")
    browser.press("Enter")
    browser.until("location.pathname.includes('/trials/') && document.readyState === 'complete'")
    assert printed.split(",")[0].removeprefix("trial ") in browser.js("location.pathname")


def test_a_running_study_is_followed(browser: Browser, tmp_path: Path) -> None:
    """New trials and the end of a study appear on its page and in the list without reloading the page."""
    study = Recording(tmp_path, tune_job("live", scheduler="fifo"))

    def train(number: int) -> None:
        trial, config = layout.trial_id(number), {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}
        study.decide(trial, 0, "start", number, "drawn", config_after=config)
        study.train(trial, 1, config, 0.5 + number / 100, number + 0.5)
        study.flush()

    train(0)
    _running(study)
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/live")
        browser.until(READY)
        assert browser.js("document.querySelector('h1 .state').textContent") == "running"
        browser.js("window.kept = true")
        train(1)
        browser.until(f"{NOTE}.startsWith('2 in total')")
        study.end(5)
        browser.until("document.querySelector('h1 .state').textContent === 'finished'")
        assert browser.js("window.kept") is True
        assert browser.faults() == []


@pytest.mark.long
def test_an_update_that_fails_is_tried_again(browser: Browser, tmp_path: Path) -> None:
    """A page shows the last state of a study, even if the update to it fails at first."""
    study = asha_study(tmp_path, trials=5, name="last")
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/last")
        browser.until(READY)
        browser.js("""(fetched => { window.fetch = (...asked) => {
            window.fetch = fetched;
            window.failed = true;
            return Promise.reject(new TypeError('no answer'));
        }; })(window.fetch)""")
        study.decide("0005", 0, "start", 90, "drawn", config_after={"lr": 0.1, "momentum": 0.9, "optimizer": "adam"})
        study.flush()
        browser.until("window.failed")
        browser.until(f"{NOTE}.startsWith('6 in total')")


def test_a_page_that_was_opened_before_the_first_epoch_gets_its_pictures(browser: Browser, tmp_path: Path) -> None:
    """Metrics and pictures of hyperparameters appear on a page that was opened before there was a trial."""
    study = Recording(tmp_path, tune_job("early", space={"lr": Uniform(0, 1), "decay": Uniform(0, 1)}))
    _running(study)
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/early")
        browser.until(READY)
        config = {"lr": 0.1, "decay": 0.5}
        for number in range(2):
            study.decide(layout.trial_id(number), 0, "start", number, "drawn", config_after=config)
            study.train(layout.trial_id(number), 1, config, 0.5 + number / 100, number + 0.5)
        study.flush()
        browser.until("document.getElementById('metric').options.length >= 4")
        assert browser.js("document.getElementById('metric').value") == "val_accuracy"
        assert drawn(browser) >= 7
        assert browser.faults() == []


@pytest.mark.parametrize("width", [1280, 390])
def test_many_hyperparameters_keep_their_axes_apart(browser: Browser, tmp_path: Path, width: int) -> None:
    """Of 30 hyperparameters 24 have axes, which are 70 pixels apart in a part of the page that scrolls by itself."""
    many_parameters(tmp_path)
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/wide", width=width)
        browser.until(READY)
        assert 31 * 70 > browser.js("document.getElementById('parallel').offsetWidth") >= 25 * 70
        assert browser.js("document.getElementById('slices').children.length") == 24
        assert browser.js("document.getElementById('plane-across').options.length") == 30
        said = browser.js("document.querySelector('#parallel-section .some').textContent")
        assert said.startswith("Of 30 hyperparameters, the")
        assert browser.js("document.documentElement.scrollWidth") <= width
        assert browser.faults() == []


def test_names_are_cut_in_their_middle(browser: Browser, address: str) -> None:
    """A name that is too wide keeps its beginning and its end, by which names of one kind differ."""
    browser.open(f"{address}/studies/mnist-asha")
    cut = "(await import('/static/picture.js')).cut"
    pen = "{ measureText: text => ({ width: text.length }) }"
    assert browser.js(f"(async () => {cut}({pen}, 'a_rather_long_name_7', 9))()") == "a_ra…me_7"
    assert browser.js(f"(async () => {cut}({pen}, 'short', 9))()") == "short"


def test_a_reader_chooses_logarithmic_axes(browser: Browser, address: str) -> None:
    """A box says whether an axis is logarithmic and changes that, and another column decides anew."""
    browser.open(f"{address}/studies/mnist-asha")
    browser.until(READY)
    drawn(browser)
    box = "document.getElementById('across-log')"
    assert browser.js(f"[{box}.checked, {box}.disabled]") == [True, False]
    picture = "document.getElementById('scatter').firstChild.toDataURL()"
    painted = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
    before = browser.js(picture)
    browser.js(f"{box}.click(); {painted}")
    assert browser.js(picture) != before
    assert browser.js(f"{box}.checked") is False
    browser.js(f"{box}.click(); {painted}")
    assert browser.js(picture) == before
    chosen = "(field => { field.value = 'config_momentum'; field.dispatchEvent(new Event('change')); })"
    browser.js(f"{chosen}(document.getElementById('across')); {painted}")
    assert browser.js(f"[{box}.checked, {box}.disabled]") == [False, False]
    assert browser.faults() == []


def test_a_hidden_tab_keeps_no_connection(browser: Browser, address: str) -> None:
    """A hidden page closes its stream of events, which a browser has few of, and opens it again when it is seen."""
    source = (
        "window.EventSource = class extends EventSource { constructor(url) { super(url); window.stream = this; } };"
    )
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
    try:
        browser.open(f"{address}/studies/mnist-asha")
        browser.until("window.stream?.readyState === 1")
        browser.js(HIDE.format("true"))
        assert browser.js("window.stream.readyState") == 2
        browser.js(HIDE.format("false"))
        browser.until("window.stream.readyState === 1")
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_the_report_is_drawn_and_sorts_its_leaderboard(browser: Browser, address: str) -> None:
    """The link on a study's page leads to its report, whose script runs under the page's policy."""
    browser.open(f"{address}/studies/mnist-asha")
    browser.js("document.querySelector('nav a[href$=report]').click()")
    browser.until("location.pathname.endsWith('/report') && document.readyState === 'complete'")
    heads = "document.querySelectorAll('#trials thead th')"
    browser.js(f"{heads}[0].click()")
    assert browser.js(f"{heads}[0].getAttribute('aria-sort')") == "ascending"
    assert browser.js("getComputedStyle(document.querySelector('.tiles')).display") == "grid"
    assert browser.faults() == []


def test_a_missing_server_is_reported(browser: Browser, storage: Path) -> None:
    """A page whose server has ended says since when it shows an earlier state."""
    with serving(storage) as address:
        browser.open(f"{address}/studies/mnist-asha")
        browser.until(READY)
        assert browser.js("document.getElementById('missing')?.hidden ?? true") is True
    browser.until("document.getElementById('missing')?.hidden === false")
    assert "The server has not answered since" in browser.js("document.getElementById('missing').textContent")


def test_a_silent_server_is_reported(browser: Browser, address: str) -> None:
    """If no event comes for a minute, the page says so and opens another stream, whose first sign ends the note."""
    source = """
        window.streams = [];
        window.EventSource = class extends EventTarget {
            static CLOSED = 2;
            readyState = 1;
            constructor() { super(); window.streams.push(this); }
            close() { this.readyState = 2; }
        };
        window.setTimeout = (timed => (call, delay) => timed(call, delay < 60000 ? delay : 500))(window.setTimeout);
    """
    note = "document.getElementById('missing')"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
    try:
        browser.open(f"{address}/studies/mnist-asha")
        browser.until("window.streams.length > 1")
        assert browser.js("window.streams[0].readyState") == 2
        assert browser.js(f"{note}.hidden") is False
        assert "The server has not answered since" in browser.js(f"{note}.textContent")
        for sign in ("open", "here"):
            assert browser.js(f"""(() => {{
                window.streams.at(-1).dispatchEvent(new Event('error'));
                const before = {note}.hidden;
                window.streams.at(-1).dispatchEvent(new Event('{sign}'));
                return [before, {note}.hidden];
            }})()""") == [False, True]
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_a_deleted_study_is_reported(browser: Browser, tmp_path: Path) -> None:
    """A page whose study is deleted says that it shows an earlier state and why, until there is the study again."""
    asha_study(tmp_path, trials=5, name="gone")
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/gone")
        browser.until(READY)
        (tmp_path / "gone").rename(tmp_path / ".gone")
        browser.until("document.getElementById('old')?.hidden === false")
        said = browser.js("document.getElementById('old').textContent")
        assert said.startswith("This page cannot be updated, and shows an earlier state: There is no study 'gone' in ")
        (tmp_path / ".gone").rename(tmp_path / "gone")
        browser.until("document.getElementById('old').hidden")


def test_a_study_that_is_deleted_while_its_page_is_hidden_is_reported(browser: Browser, tmp_path: Path) -> None:
    """A page that is shown again after its study was deleted says why it is old, not that no answer comes."""
    asha_study(tmp_path, trials=5, name="gone")
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/gone")
        browser.until(READY)
        browser.js(HIDE.format("true"))
        (tmp_path / "gone").rename(tmp_path / ".gone")
        browser.js(HIDE.format("false"))
        browser.until("document.getElementById('old')?.hidden === false")
        assert "There is no study 'gone'" in browser.js("document.getElementById('old').textContent")
        assert browser.js("document.getElementById('missing')?.hidden ?? true") is True


def test_one_update_is_retried_however_often_the_server_refuses(browser: Browser, tmp_path: Path) -> None:
    """A page that stays open after its study was deleted asks no more often with each stream that is refused."""
    source = """
        window.EventSource = class extends EventTarget {
            static CLOSED = 2;
            readyState = 2;
            constructor() { super(); window.stream = this; }
            close() {}
        };
        [window.retries, window.waiting] = [0, new Set()];
        window.clearTimeout = (clear => id => { window.waiting.delete(id); clear(id); })(window.clearTimeout);
        window.setTimeout = (timed => (call, delay) => {
            if (delay !== 3000) return timed(call, delay);
            const id = timed(() => {}, delay);
            window.retries += 1;
            window.waiting.add(id);
            return id;
        })(window.setTimeout);
    """
    asha_study(tmp_path, trials=5, name="gone")
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
    try:
        with serving(tmp_path) as address:
            browser.open(f"{address}/studies/gone")
            browser.until(READY)
            (tmp_path / "gone").rename(tmp_path / ".gone")
            for retries in (1, 2, 3):
                browser.js("window.stream.dispatchEvent(new Event('error'))")
                browser.until(f"window.retries === {retries}")
                assert browser.js("window.waiting.size") == 1
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_a_link_with_the_token_may_be_in_another_site(browser: Browser, address: str, storage: Path) -> None:
    """A link with the token in a page of another site, such as a mail, opens the page."""
    with serving(storage, token="secret") as guarded:
        # To a browser, localhost and 127.0.0.1 are two sites.
        browser.open(address.replace("127.0.0.1", "localhost"))
        browser.js(f"""(link => {{
            link.href = "{guarded}/?token=secret";
            document.body.append(link);
            link.click();
        }})(document.createElement("a"))""")
        browser.until(f"location.href === '{guarded}/' && document.readyState === 'complete'")
        assert "mnist-asha" in browser.js("document.body.textContent")


def test_pictures_wait_for_an_answer(browser: Browser, address: str) -> None:
    """If the first data of a page's pictures do not come, the page asks for them again."""
    source = """(fetched => { window.fetch = (...asked) => {
        window.fetch = fetched;
        return Promise.reject(new TypeError('no answer'));
    }; })(window.fetch)"""
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=source)["identifier"]
    try:
        for path in ("/studies/mnist-asha", "/studies/mnist-asha/trials/0000"):
            browser.open(address + path)
            browser.until(READY)
            assert browser.faults() == []
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_the_best_quarter_is_that_of_trials_that_did_not_fail(browser: Browser, tmp_path: Path) -> None:
    """Failed trials are not among those of which a quarter is in colour, even if they have reached a value."""
    study = Recording(tmp_path, tune_job("failing", space={"lr": Uniform(0, 1), "decay": Uniform(0, 1)}))
    for number in range(16):
        trial, config = layout.trial_id(number), {"lr": 0.05 * number, "decay": 0.5}
        study.decide(trial, 0, "start", number, config_after=config)
        study.train(trial, 1, config, 0.01 * number, number)
        study.decide(trial, 1, "finish" if number < 8 else "fail", number)
    study.end(20)
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/failing")
        quarters = """(async () => {
            const { Trials } = await import('/static/trials.js');
            const trials = new Trials(await (await fetch('/studies/failing/columns')).json());
            return trials.trials.map((_, place) => trials.quarter(place));
        })()"""
        assert browser.js(quarters) == [3, 3, 2, 2, 1, 1, 0, 0, *[3] * 8]


def test_a_comparison_follows_its_studies(browser: Browser, tmp_path: Path) -> None:
    """A comparison shows new values of its studies without reloading the page."""
    study = asha_study(tmp_path, trials=5, name="first")
    asha_study(tmp_path, trials=5, seed=4, name="second")
    with serving(tmp_path) as address:
        browser.open(f"{address}/compare?study=first&study=second")
        browser.until(READY)
        browser.js("window.kept = true")
        study.decide("0005", 0, "start", 90, "drawn", config_after={"lr": 0.1, "momentum": 0.9, "optimizer": "adam"})
        study.train("0005", 1, {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}, 0.99123, 91)
        study.flush()
        browser.until("document.getElementById('tables').textContent.includes('0.9912')")
        assert browser.js("window.kept") is True
        assert browser.faults() == []


def _running(study: Recording) -> None:
    """Write the file of a session that this process drives."""
    now = datetime.now(UTC).isoformat()
    content = {"number": 1, "state": "running", "started": now, "heartbeat": now, "ended": None, "seconds": 1.0}
    Store(study.store.uri).write(layout.session(1), json.dumps(content | identity(os.getpid())))
