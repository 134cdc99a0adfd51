"""Draw the documentation's pictures from real studies: python -m scripts.draw studies/*, or --page studies/digits-quick.

Pictures of the live page need Chromium.
"""

import base64
import io
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import load_results
from pipeline.results import Results, plots
from pipeline.results.palette import ACCENT, BAD, INK, MUTED, SECOND, THIRD
from pipeline.results.plots.style import by_decade
from tests.browser import browsing
from tests.serving import serving

PICTURES = Path(__file__).parents[1] / "docs/pictures"
LARGEST = 60_000
"""Bytes; what has more as SVG is drawn as PNG."""
COLORS = (ACCENT, SECOND, THIRD, BAD, INK, MUTED)
TITLE = {"loc": "left", "pad": 26, "fontweight": "bold"}
PANELS: dict[str, Callable[[Results, Axes], Axes]] = {
    "cnn-asha": plots.rungs,
    "digits-quick": plots.learning_curves,
    "mnist-optimisers": lambda results, ax: plots.objective_against(results, ax, "optimiser"),
    "mnist-pbt": plots.lineage,
}
SHOTS = (("page", 1280, 1500, False), ("page-dark", 390, 1500, True))
"""Pictures of the page: name, width and height in pixels, and whether it is dark."""


def schedules(results: Results) -> Figure:
    """The learning rate and the losses of the best trial of each schedule, epoch by epoch."""
    figure = plt.figure(figsize=(6.4, 5.2))
    above, below = figure.subplots(2, sharex=True)
    best = results.trials.sort_values("objective", ascending=False).drop_duplicates("config_schedule")
    shown = results.epochs[results.epochs["trial_id"].isin(best["trial_id"])]
    for trial, schedule, color in zip(best["trial_id"], best["config_schedule"], COLORS, strict=True):
        rows = shown[shown["trial_id"] == trial]
        above.plot(rows["epoch"], rows["learning_rate"], color=color, label=schedule.replace("_", "-"))
        below.plot(rows["epoch"], rows["val_loss"], color=color)
        below.plot(rows["epoch"], rows["loss"], color=color, ls=(0, (3, 2)), lw=1)
    above.set(ylabel="learning rate", yscale="log")
    below.set(ylabel="loss (dashed: training)", xlabel="epoch", yscale="log")
    by_decade(above.yaxis, shown["learning_rate"].min(), shown["learning_rate"].max())
    by_decade(below.yaxis, shown["loss"].min(), shown["loss"].max())
    below.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(loc="outside upper center", ncols=3)
    return figure


def overview(results: Results) -> Figure:
    """The README's picture: learning curves, rungs, hyperparameters and the best value over time."""
    figure, axes = plt.subplots(2, 2, figsize=(14, 8.6), layout="none")
    figure.subplots_adjust(left=0.06, right=0.93, bottom=0.07, top=0.91, wspace=0.24, hspace=0.56)
    plots.learning_curves(results, axes[0, 0]).set_title("Learning curves", **TITLE)
    plots.rungs(results, axes[0, 1]).set_title("Epochs of each trial, and where ASHA stopped it", **TITLE)
    plots.parallel_coordinates(results, axes[1, 0]).set_title("Hyperparameters", **{**TITLE, "pad": 52})
    plots.best_so_far(results, axes[1, 1]).set_title("Best value over time", **TITLE)
    return figure


def panel(results: Results) -> Figure:
    """The picture that answers the question of a study."""
    figure, ax = plt.subplots(figsize=(6.4, 3.6))
    PANELS[results.name](results, ax)
    return figure


def draw(location: str) -> None:
    """The picture of a study, named after its job."""
    results = load_results(location)
    with plots.style():
        made = {"mnist-asha": overview, "mnist-schedules": schedules}.get(results.name, panel)(results)
        file = io.BytesIO()
        made.savefig(file, format="svg", metadata={"Date": None}, facecolor="white")
        form = "svg" if len(file.getvalue()) < LARGEST or results.name == "mnist-asha" else "png"
        made.savefig(PICTURES / f"{results.name}.{form}", dpi=100, facecolor="white")


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
            browser.js("new Promise(done => setTimeout(done, 2000))")
            content = base64.b64decode(browser.call("Page.captureScreenshot", format="png")["data"])
            (PICTURES / f"{name}.png").write_bytes(content)


if __name__ == "__main__":
    if sys.argv[1] == "--page":
        draw_page(Path(sys.argv[2]).resolve())
    else:
        for place in sys.argv[1:]:
            draw(place)
