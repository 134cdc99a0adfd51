"""The live page of a study of 10,000 trials of 50 epochs in a real browser: seconds, and their limits."""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.benchmarks.figures import Figure, Measured, Options
from tests.benchmarks.large import generate
from tests.benchmarks.sides import environment
from tests.browser import BROWSER, Browser, browsing

_SECONDS = {"first paint": 2.0, "table of a condition": 1.0, "curves of a condition": 1.0}
_CONDITIONS = 9
"""In each round, all different: an answer that the server still has says nothing."""

_PAINTED = """
    window.painted = () => new Promise(done => requestAnimationFrame(() => {
        const after = new MessageChannel();
        after.port1.onmessage = done;
        after.port2.postMessage(0);
    }));
"""
"""What is in the page when a frame begins has been painted when a message after it arrives."""

_FILTERED = """(async () => {{
    const begun = performance.now();
    document.getElementById('where').value = {condition!r};
    document.getElementById('filter').requestSubmit();
    await new Promise(done => new MutationObserver((_, all) => {{ all.disconnect(); done(); }})
        .observe(document.querySelector('main'), {{ childList: true }}));
    await painted();
    return (performance.now() - begun) / 1000;
}})()"""

_DRAWN = """(async () => {{
    const begun = performance.now();
    document.getElementById('where').value = {condition!r};
    document.getElementById('filter').requestSubmit();
    for (let curves; ; await new Promise(requestAnimationFrame)) {{
        curves = document.getElementById('picture-curves').dataset;
        if (curves.part.includes({mark!r}) && curves.shown === curves.part) break;
    }}
    await painted();
    return (performance.now() - begun) / 1000;
}})()"""


def measure(options: Options, say: Callable[[str], None]) -> Measured:
    """Measure it; without Chromium there is nothing to measure."""
    if BROWSER is None:
        say("no Chromium on PATH: not measured")
        return Measured([], {})
    trials = 100 if options.quick else 10_000
    samples: dict[str, list[float]] = {name: [] for name in _SECONDS}
    with TemporaryDirectory(prefix="tunepipe-bench-") as folder:
        root = Path(folder) / "studies"
        generate(root, trials=trials, epochs=50)
        with _served(root) as address, browsing(Path(folder) / "profile") as browser:
            # The first request reads the study, which is not measured for the page.
            browser.open(f"{address}studies/large")
            for each in range(options.rounds):
                _round(browser, f"{address}studies/large", each, samples)
    figures = []
    for name, limit in _SECONDS.items():
        seconds = median(samples[name])
        say(f"{name}: {seconds:.3f} s, {max(samples[name]):.3f} s at the most")
        what = f"{name}, {trials:,} trials × 50 epochs; what it may take"
        figures.append(Figure("page", what, seconds, limit, most=1))
    return Measured(figures, samples)


def _round(browser: Browser, address: str, number: int, samples: dict[str, list[float]]) -> None:
    browser.open(address)
    browser.until("document.documentElement.dataset.ready")
    browser.js(_PAINTED)
    paint = browser.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime")
    samples["first paint"].append(paint / 1000)
    browser.js("document.getElementById('picture-curves').scrollIntoView({block: 'start'}); painted()")
    for each in range(_CONDITIONS):
        condition = f"config_lr > 0.{number + 1:03}{each + 1}"
        samples["table of a condition"].append(browser.js(_FILTERED.format(condition=condition)))
        browser.js("new Promise(done => setTimeout(done, 1000))")
    condition = f"config_lr > 0.{number + 1:03}0"
    drawn = browser.js(_DRAWN.format(condition=condition, mark=f"0.{number + 1:03}0"))
    samples["curves of a condition"].append(drawn)


@contextmanager
def _served(root: Path) -> Iterator[str]:
    command = [sys.executable, "-m", "pipeline.cli.app", "serve", str(root), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment())
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if found := re.search(r"http://\S+/", line):
                yield found[0]
                break
        else:
            raise RuntimeError("The page was not served.")
    finally:
        process.terminate()
        process.wait()
