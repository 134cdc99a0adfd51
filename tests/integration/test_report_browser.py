"""The report in a real browser: it runs without an error, shows its pictures, and fits a phone."""

import json
import shutil
import subprocess
from collections.abc import Callable

import pytest

from pipeline.results import load_results
from pipeline.results.report.page import report_page
from tests.unit.results.studies import asha_study, pbt_study

BROWSER = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)

pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on PATH: the report was not looked at in a browser"
)

# The page forbids itself everything but its own script, so what is measured must be part of it.
MEASURE = """<script>
window.faults = [];
window.addEventListener("error", event => faults.push(String(event.message)));
document.addEventListener("securitypolicyviolation", event => faults.push(event.violatedDirective));
window.addEventListener("load", () => {
  const sized = [...document.querySelectorAll("svg")].map(svg => svg.getBoundingClientRect());
  const column = () => [...document.querySelectorAll("#trials tbody tr")].map(row => row.cells[1].dataset.key);
  const before = column(), button = document.querySelectorAll("#trials thead button")[1];
  const order = () => [...document.querySelectorAll("#trials th")].map(head => head.getAttribute("aria-sort"));
  const orders = [order()];
  button.focus(); const focused = document.activeElement === button;
  button.click(); const up = column(); orders.push(order());
  button.click(); const down = column(); orders.push(order());
  document.querySelectorAll("#trials thead button")[0].click(); orders.push(order());
  const pictures = [...document.querySelectorAll("svg[data-marks]")];
  const svg = pictures.find(one => one.getBoundingClientRect().width > 100);
  const [trial, x, y] = JSON.parse(svg.dataset.marks).trials[0];
  const box = svg.getBoundingClientRect(), scale = box.width / svg.viewBox.baseVal.width;
  const at = {clientX: box.left + x * scale, clientY: box.top + y * scale};
  svg.dispatchEvent(new PointerEvent("pointermove", {...at, bubbles: true}));
  const tip = document.querySelector(".tip"), hover = {trial, text: tip.textContent, hidden: tip.hidden};
  document.body.dispatchEvent(new PointerEvent("pointermove", {clientX: 0, clientY: 0, bubbles: true}));
  hover.after = tip.hidden;
  const reported = document.createElement("pre");
  reported.id = "reported";
  reported.textContent = JSON.stringify({
    faults, before, up, down, hover, orders, focused,
    width: document.documentElement.scrollWidth, window: document.documentElement.clientWidth,
    figures: document.querySelectorAll("figure").length,
    shown: sized.filter(box => box.width > 100 && box.height > 100).length,
    wide: sized.filter(box => box.right > document.documentElement.clientWidth).length,
    requests: performance.getEntriesByType("resource").map(entry => entry.name).filter(n => !n.startsWith("data:")),
  });
  document.body.append(reported);
});
</script>
<meta charset="""


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, object]]:
    """Opens the page of a study at a width and reports its content."""
    root = tmp_path_factory.mktemp("browser")
    pages = {}
    for study in (asha_study(root), pbt_study(root)):
        page = report_page(load_results(study.store.uri))
        pages[study.job.name] = root / f"{study.job.name}.html"
        pages[study.job.name].write_text(page.replace("<meta charset=", MEASURE, 1))

    def opened(name: str, width: int) -> dict[str, object]:
        assert BROWSER is not None
        profile = tmp_path_factory.mktemp("profile")
        flags = [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
            "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
            f"--window-size={width},900", "--virtual-time-budget=5000", "--dump-dom",
        ]  # fmt: skip
        done = subprocess.run(
            [BROWSER, *flags, pages[name].as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        _, found, rest = done.stdout.partition('<pre id="reported">')
        assert found, f"the page reported nothing; the browser printed: {done.stderr[-2000:]}"
        reported: dict[str, object] = json.loads(rest.partition("</pre>")[0].replace("&gt;", ">").replace("&amp;", "&"))
        return reported

    return opened


@pytest.mark.parametrize("name", ["mnist-asha", "mnist-pbt"])
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_shows_its_pictures_without_an_error(
    look: Callable[..., dict[str, object]], name: str, width: int
) -> None:
    """The page shows one picture for each figure, loads nothing, and fits the window."""
    reported = look(name, width)

    assert reported["faults"] == []
    assert reported["requests"] == []
    assert reported["shown"] == reported["figures"]
    assert reported["wide"] == 0
    assert reported["width"] == reported["window"]


def test_a_click_on_a_column_sorts_the_leaderboard(look: Callable[..., dict[str, object]]) -> None:
    """A click sorts a column upwards, a second one downwards, and trials without a value are last in both orders."""
    reported = look("mnist-asha", 1280)
    up, down = reported["up"], reported["down"]
    assert isinstance(up, list)
    assert isinstance(down, list)
    known = [float(key) for key in up if key]

    assert sorted(up) == sorted(down) == sorted(reported["before"])  # type: ignore[type-var, arg-type, call-overload]
    assert known == sorted(known)
    assert [float(key) for key in down if key] == known[::-1]
    assert up[-1] == down[-1] == ""


def test_the_order_of_the_leaderboard_is_accessible(
    look: Callable[..., dict[str, object]],
) -> None:
    """One column head states the sort order from the start, and each head is a button that the keyboard reaches."""
    reported = look("mnist-asha", 1280)
    orders = reported["orders"]
    assert isinstance(orders, list)

    assert [[(place, order) for place, order in enumerate(printed) if order] for printed in orders] == [
        [(1, "descending")], [(1, "ascending")], [(1, "descending")], [(0, "ascending")],
    ]  # fmt: skip
    assert reported["focused"] is True


@pytest.mark.parametrize("width", [1280, 500])
def test_the_trial_under_the_pointer_is_shown(look: Callable[..., dict[str, object]], width: int) -> None:
    """The leaderboard row of a trial is shown near its point, and hidden once the pointer has left."""
    hover = look("mnist-asha", width)["hover"]
    assert isinstance(hover, dict)

    assert hover["text"].startswith(f"trial {hover['trial']}\nval_accuracy 0.")
    assert "\nlr 0." in hover["text"]
    assert (hover["hidden"], hover["after"]) == (False, True)
