"""Draw the README's picture of each study, from real ones: python scripts/draw_studies.py studies/*."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pipeline import load_results
from pipeline.results import Results, plots
from pipeline.results.palette import ACCENT, BAD, INK, MUTED, SECOND, THIRD
from pipeline.results.plots.style import by_decade

PICTURES = Path(__file__).parents[1] / "docs/pictures"
LARGEST = 60_000
"""Bytes; what has more as SVG is drawn as PNG."""
COLORS = (ACCENT, SECOND, THIRD, BAD, INK, MUTED)


def schedules(results: Results, figure: Figure) -> None:
    """The learning rate and the losses of the best trial of each schedule, epoch by epoch."""
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


PANELS: dict[str, Callable[[Results, Axes], Axes]] = {
    "beale": plots.trajectories,
    "beale-minimise": plots.trajectories,
    "beale-optimisers": plots.trajectories,
    "beale-search": plots.landscape,
    "cancer-binary": plots.deviations,
    "cnn-asha": plots.rungs,
    "diabetes-regression": plots.deviations,
    "digits-quick": plots.learning_curves,
    "mnist-batch-epochs": lambda results, ax: plots.against_cost(results, ax, "seconds"),
    "mnist-initialisers": plots.deviations,
    "mnist-optimisers": lambda results, ax: plots.objective_against(results, ax, "optimiser"),
    "mnist-pbt": plots.lineage,
}


def draw(location: str) -> None:
    """A picture that answers the study's question, named after its job."""
    results = load_results(location)
    with plots.style():
        if results.name == "mnist-schedules":
            figure = plt.figure(figsize=(6.4, 5.2))
            schedules(results, figure)
        else:
            figure, ax = plt.subplots(figsize=(6.4, 3.6))
            PANELS[results.name](results, ax)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        form = "svg" if len(file.getvalue()) < LARGEST else "png"
        figure.savefig(PICTURES / f"{results.name}.{form}", dpi=100)
    print(results.name, form)


if __name__ == "__main__":
    for place in sys.argv[1:]:
        draw(place)
