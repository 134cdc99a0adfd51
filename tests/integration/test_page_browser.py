"""The live page in a real browser: it draws, filters, follows a running study, and needs no pointer."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
import requests

from pipeline.storage import layout
from pipeline.storage.sessions import identity
from tests.browser import BROWSER, Browser, browsing
from tests.recorded_studies import Recording, asha_study, pbt_study, tune_job
from tests.serving import serving

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium on PATH: the page was not looked at in a browser")

READY = "document.documentElement.dataset.ready"
NOTE = "document.querySelector('#table [role=status]').textContent"


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two studies that have ended."""
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
    """Wait until each picture is drawn that comes into sight; returns the number of pictures."""
    count: int = browser.js("document.querySelectorAll('[data-part]').length")
    for place in range(count):
        one = f"document.querySelectorAll('[data-part]')[{place}]"
        browser.js(f"{one}.scrollIntoView({{block: 'center'}})")
        browser.until(f"{one}.querySelector('svg')?.getBoundingClientRect().width > 100")
    return count


PLACES = """(svg => {{
    const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
    const {{ trials, axes }} = JSON.parse(svg.dataset.marks);
    const at = (x, y) => [box.left + scale * x, box.top + scale * y];
    const [x0, y0, x1, y1] = axes[0]?.box ?? [0, 0, 0, 0], middle = (x0 + x1) / 2;
    return {{ point: at(...trials[0]?.slice(1) ?? [0, 0]), low: at(middle, y0), high: at(middle, y1) }};
}})(document.querySelector('#picture-{} svg'))"""
"""Where a picture's first trial and the ends of its first axis are in the window."""


def seen(browser: Browser, name: str) -> None:
    """Wait until a picture is drawn in the middle of the window."""
    browser.js(f"document.getElementById('picture-{name}').scrollIntoView({{block: 'center'}})")
    browser.until(f"document.querySelector('#picture-{name} svg')?.getBoundingClientRect().width > 100")
    browser.js(f"document.getElementById('picture-{name}').scrollIntoView({{block: 'center'}})")


@pytest.mark.parametrize(
    ("path", "pictures", "width", "dark"),
    [("/studies/mnist-asha", 9, 1280, False), ("/studies/mnist-asha/trials/0000", 5, 390, True)],
)
def test_pages_draw_their_pictures_and_load_nothing_from_elsewhere(
    browser: Browser, address: str, path: str, pictures: int, width: int, dark: bool
) -> None:
    browser.open(address + path, width=width, dark=dark)
    assert drawn(browser) == pictures
    browser.until(READY)
    assert browser.faults() == []
    assert browser.js("document.documentElement.scrollWidth") <= width
    assert [url for url in browser.requested() if not url.startswith((address, "data:"))] == []
    colours = "[...document.querySelectorAll('svg [stroke^=var]')].map(one => getComputedStyle(one).stroke)"
    assert ("rgb(98, 184, 251)" if dark else "rgb(0, 103, 168)") in browser.js(colours)


def test_a_picture_filters_and_opens_trials(browser: Browser, address: str) -> None:
    either = "(epochs > 1) or state in ('(')"
    browser.open(f"{address}/studies/mnist-asha?where={quote(either)}")
    browser.until(f"{NOTE}.includes('of 40 match')")
    before = browser.js(NOTE)
    seen(browser, "parallel")
    places = browser.js(PLACES.format("parallel"))
    (x, low), (_, high) = places["low"], places["high"]
    browser.drag((x, low + 0.2 * (high - low)), (x, low + 0.6 * (high - low)))
    browser.until(f"{NOTE} !== {json.dumps(before)}")
    condition = browser.js("document.getElementById('where').value")
    assert condition.startswith(f"({either}) and config_lr between ")
    assert browser.js("new URLSearchParams(location.search).get('where')") == condition
    browser.until("document.getElementById('picture-parallel').dataset.shown?.includes('config_lr')")
    seen(browser, "parallel")
    x, low = browser.js(PLACES.format("parallel"))["low"]
    browser.drag((x, low - 2), (x, low - 2))
    browser.until(f"{NOTE} === {json.dumps(before)}")
    seen(browser, "curves")
    place = browser.js(PLACES.format("curves"))["point"]
    browser.drag(tuple(place), tuple(place))
    browser.until("location.pathname.includes('/trials/') && document.readyState === 'complete'")
    assert browser.faults() == []


def test_a_running_study_is_followed(browser: Browser, tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("live", scheduler="fifo"))

    def train(number: int) -> None:
        trial, config = layout.trial_id(number), {"lr": 0.1, "momentum": 0.9, "optimizer": "adam"}
        study.decide(trial, 0, "start", number, "drawn", config_after=config)
        study.train(trial, 1, config, 0.5 + number / 100, number + 0.5)
        study.flush()

    # Its driver is this process.
    now = datetime.now(UTC).isoformat()
    session = {"number": 1, "state": "running", "started": now, "heartbeat": now, "ended": None, "seconds": 1.0}
    study.content = session | identity()
    study.flush()
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/live")
        browser.until(READY)
        assert browser.js("document.querySelector('h1 .state').textContent") == "running"
        browser.js("window.kept = true")
        train(0)
        browser.until("document.getElementById('metric').value === '' && document.getElementById('metric').length > 1")
        train(1)
        browser.until(f"{NOTE}.startsWith('2 in total')")
        study.end(5)
        browser.until("document.querySelector('h1 .state').textContent === 'ended'")
        assert browser.js("window.kept") is True
        assert browser.faults() == []


def test_the_report_sorts_its_leaderboard_and_names_trials(browser: Browser, address: str) -> None:
    """The link on a study's page leads to its report, whose script runs under its policy, on a telephone, too."""
    # Drawn once, which takes seconds, and kept.
    requests.get(f"{address}/studies/mnist-asha/report", timeout=300)
    browser.open(f"{address}/studies/mnist-asha")
    browser.js("document.querySelector('nav a[href$=report]').click()")
    browser.until("location.pathname.endsWith('/report') && document.readyState === 'complete'")
    head, keys = "document.querySelectorAll('#trials thead th')[1]", []
    for order in ("ascending", "descending"):
        browser.js(f"{head}.firstElementChild.click()")
        assert browser.js(f"{head}.getAttribute('aria-sort')") == order
        rows = "[...document.querySelectorAll('#trials tbody tr')].map(row => row.cells[1].dataset.key)"
        keys.append(browser.js(rows))
    # Trials without a value are last in both orders.
    known = [[float(key) for key in each if key] for each in keys]
    assert known[0] == sorted(known[0]) == known[1][::-1]
    assert keys[0][-1] == keys[1][-1] == ""
    for width in (1280, 390):
        browser.open(f"{address}/studies/mnist-asha/report", width=width)
        assert browser.js("document.documentElement.scrollWidth") <= width
        svg = "[...document.querySelectorAll('svg[data-marks]')].find(one => one.getBoundingClientRect().width > 100)"
        trial, text = browser.js(f"""(svg => {{
            const [trial, x, y] = JSON.parse(svg.dataset.marks).trials[0], box = svg.getBoundingClientRect();
            const scale = box.width / svg.viewBox.baseVal.width;
            const at = {{ clientX: box.left + x * scale, clientY: box.top + y * scale, bubbles: true }};
            svg.dispatchEvent(new PointerEvent("pointermove", at));
            return [trial, document.querySelector(".tip").textContent];
        }})({svg})""")
        assert text.startswith(f"trial {trial}\nval_accuracy 0.")
        assert browser.faults() == []
        assert [url for url in browser.requested() if not url.startswith((address, "data:"))] == []


def test_a_page_that_cannot_be_updated_says_so(browser: Browser, tmp_path: Path) -> None:
    asha_study(tmp_path, trials=5, name="gone")
    with serving(tmp_path) as address:
        browser.open(f"{address}/studies/gone")
        browser.until(READY)
        (tmp_path / "gone").rename(tmp_path / ".gone")
        browser.until("document.getElementById('old').textContent")
        said = browser.js("document.getElementById('old').textContent")
        assert said.startswith("This page cannot be updated, and shows an earlier state: There is no study 'gone' in ")
        (tmp_path / ".gone").rename(tmp_path / "gone")
        browser.until("document.getElementById('old').hidden")
    browser.until("document.getElementById('old').textContent.includes('The server has not answered since')")
    with serving(tmp_path, port=int(address.rpartition(":")[2])):
        browser.until("document.getElementById('old').hidden")


def test_a_link_with_the_token_may_be_in_another_site(browser: Browser, address: str, storage: Path) -> None:
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
