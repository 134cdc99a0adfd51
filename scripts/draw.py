"""Draw the documentation's pictures from real studies: python -m scripts.draw studies/*, or --page studies/digits-quick.

Pictures of the live page need Chromium.
"""

import base64
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import load_results
from pipeline.results import Results, plots
from tests.browser import browsing
from tests.serving import serving

PICTURES = Path(__file__).parents[1] / "docs/pictures"
TITLE = {"loc": "left", "pad": 26, "fontweight": "bold"}
PANELS: dict[str, Callable[[Results, Axes], Axes]] = {
    "cnn-asha": plots.rungs,
    "digits-quick": plots.learning_curves,
    "mnist-optimisers": lambda results, ax: plots.objective_against(results, ax, "optimiser"),
}
SHOTS = (("page", 1280, 1500, False), ("page-dark", 390, 1500, True))
"""Pictures of the page: name, width and height in pixels, and whether it is dark."""
IN_SIGHT = "part => part.getBoundingClientRect().top < innerHeight"


def overview(results: Results) -> Figure:
    """The README's picture: learning curves, rungs, hyperparameters and the best value over time."""
    figure, axes = plt.subplots(2, 2, figsize=(14, 8.6), layout="none")
    figure.subplots_adjust(left=0.06, right=0.93, bottom=0.07, top=0.91, wspace=0.24, hspace=0.56)
    plots.learning_curves(results, axes[0, 0]).set_title("Learning curves", **TITLE)
    plots.rungs(results, axes[0, 1]).set_title("Epochs of each trial, and where ASHA stopped it", **TITLE)
    plots.parallel_coordinates(results, axes[1, 0]).set_title("Hyperparameters", **{**TITLE, "pad": 52})
    plots.best_so_far(results, axes[1, 1]).set_title("Best value over time", **TITLE)
    return figure


def draw(location: str) -> None:
    """The picture that answers the question of a study, named after its job."""
    results = load_results(location)
    with plots.style():
        if results.name == "mnist-asha":
            figure = overview(results)
        else:
            figure, ax = plt.subplots(figsize=(6.4, 3.6))
            PANELS[results.name](results, ax)
        figure.savefig(PICTURES / f"{results.name}.svg", metadata={"Date": None}, facecolor="white")


def draw_page(study: Path) -> None:
    """All pictures of a study's live page."""
    with TemporaryDirectory() as folder, serving(study.parent) as address, browsing(Path(folder) / "it") as browser:
        for name, width, height, dark in SHOTS:
            browser.open(f"{address}/studies/{study.name}", width=width, dark=dark)
            size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
            browser.call("Emulation.setDeviceMetricsOverride", **size)
            # Paths and machines do not belong into the documentation.
            browser.js("for (const one of document.querySelectorAll('footer, #provenance')) one.remove()")
            browser.until("document.documentElement.dataset.ready")
            browser.until(f"![...document.querySelectorAll('[data-part]:empty')].some({IN_SIGHT})")
            content = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
            (PICTURES / f"{name}.png").write_bytes(content)


if __name__ == "__main__":
    if sys.argv[1] == "--page":
        draw_page(Path(sys.argv[2]).resolve())
    else:
        for place in sys.argv[1:]:
            draw(place)
