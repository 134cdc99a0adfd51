"""Two numbers as a plane."""

from pathlib import Path

import numpy as np

from pipeline.results import Results, plots
from pipeline.results.plots.plane import has_plane, has_trajectories
from pipeline.space import LogUniform, Uniform
from tests.unit.results.plots.drawing import drawn
from tests.unit.results.small_studies import plane_study


def test_bands_reach_over_two_hyperparameters(tmp_path: Path) -> None:
    """Trials are points in a plane, on their domains' axes and over filled bands, and the best one has a ring."""
    places = [(x / 6 + 0.01, y / 6 + 0.01) for x in range(6) for y in range(6)]
    results = plane_study(tmp_path, places, lr=LogUniform(1e-3, 1.0), momentum=Uniform(0, 1))
    assert has_plane(results)
    ax = drawn(plots.landscape, results)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert any(len(group.get_paths()) > 2 for group in ax.collections)
    assert results.best is not None
    ring = ax.get_lines()[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == tuple(results.best.config.values())


def test_trials_on_a_line_have_no_bands(tmp_path: Path) -> None:
    """If all trials are on one line of the plane, only points are drawn and no bands."""
    results = plane_study(tmp_path, [(part / 20, part / 20) for part in range(1, 15)], a=Uniform(0, 1), b=Uniform(0, 1))
    assert not drawn(plots.landscape, results).collections


def test_ways_go_from_epoch_to_epoch(walked: Results) -> None:
    """The paths of trials are lines through x and y at each epoch, with the best trial's in front."""
    assert has_trajectories(walked)
    ax = drawn(plots.trajectories, walked)
    best = next(line for line in ax.get_lines() if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(best.get_xdata(), [0.4, 0.8, 1.2])
    np.testing.assert_allclose(ax.collections[0].get_segments()[0][:, 1], [-0.2, -0.4, -0.6])
