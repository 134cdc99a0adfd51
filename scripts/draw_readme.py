"""Draw the README's picture from a real study: python scripts/draw_readme.py studies/mnist-asha."""

import sys
from pathlib import Path

import matplotlib.pyplot as plt

from pipeline import load_results
from pipeline.results import plots

TITLE = {"loc": "left", "pad": 26, "fontweight": "bold"}
TARGET = Path(__file__).parents[1] / "docs/pictures/mnist-asha.svg"


def draw(location: str) -> None:
    """Learning curves, rungs, hyperparameters and the best value over time, in one figure."""
    results = load_results(location)
    with plots.style():
        figure, axes = plt.subplots(2, 2, figsize=(14, 8.6), layout="none")
        figure.subplots_adjust(left=0.06, right=0.93, bottom=0.07, top=0.91, wspace=0.24, hspace=0.56)
        plots.learning_curves(results, axes[0, 0]).set_title("Learning curves", **TITLE)
        plots.rungs(results, axes[0, 1]).set_title("Epochs of each trial, and where ASHA stopped it", **TITLE)
        plots.parallel_coordinates(results, axes[1, 0]).set_title("Hyperparameters", **{**TITLE, "pad": 52})
        plots.best_so_far(results, axes[1, 1]).set_title("Best value over time", **TITLE)
        figure.savefig(TARGET, facecolor="white")


if __name__ == "__main__":
    draw(sys.argv[1])
