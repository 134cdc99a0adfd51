"""Draw the README's picture of each study, from real ones: python scripts/draw_studies.py studies/*."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.axes import Axes

from pipeline import load_results
from pipeline.results import Results, plots

PICTURES = Path(__file__).parents[1] / "docs/pictures"
LARGEST = 60_000
"""Bytes; what has more as SVG is drawn as PNG."""

DRAW: dict[str, Callable[[Results, Axes], Axes]] = {
    "beale": plots.paths,
    "beale-minimise": plots.paths,
    "beale-optimisers": plots.paths,
    "beale-search": plots.landscape,
    "cancer-binary": plots.deviations,
    "cnn-asha": plots.rungs,
    "diabetes-regression": plots.deviations,
    "digits-quick": plots.learning_curves,
    "mnist-batch-epochs": lambda results, ax: plots.against_cost(results, ax, "seconds"),
    "mnist-initialisers": plots.deviations,
    "mnist-optimisers": lambda results, ax: plots.objective_against(results, ax, "optimiser"),
    "mnist-pbt": plots.lineage,
    "mnist-schedules": plots.learning_rates,
}


def draw(location: str) -> None:
    """One panel that answers the study's question, named after its job."""
    results = load_results(location)
    with plots.style():
        figure, ax = plt.subplots(figsize=(6.4, 3.6))
        DRAW[results.name](results, ax)
        file = io.BytesIO()
        figure.savefig(file, format="svg", metadata={"Date": None})
        form = "svg" if len(file.getvalue()) < LARGEST else "png"
        figure.savefig(PICTURES / f"{results.name}.{form}", dpi=100)
    print(results.name, form)


if __name__ == "__main__":
    for place in sys.argv[1:]:
        draw(place)
