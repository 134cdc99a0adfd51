"""Two numbers as a plane."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import Results, captions, load_results, plots
from pipeline.results.pictures import sections
from pipeline.results.plots.plane import has_paths, has_plane
from pipeline.space import LogUniform, Uniform
from pipeline.study import Objective
from tests.unit.results import studies


def _places(root: Path, places: list[tuple[float, float]], **space: Any) -> Results:
    job = studies.tune_job("plane", space=space, objectives=[Objective("value", "min")])
    recording = studies.Recording(root, job, metrics=("value",))
    for index, (x, y) in enumerate(places):
        trial, config = f"{index:04d}", dict(zip(space, (x, y), strict=True))
        recording.decide(trial, 0, "start", index, config_after=config)
        recording.train(trial, 1, config, math.hypot(x - 0.5, y - 0.5), index)
        recording.decide(trial, 1, "finish", index)
    recording.end(len(places))
    return load_results(root / "plane")


def test_bands_reach_over_two_hyperparameters(tmp_path: Path, drawn: Any) -> None:
    """Trials are points in a plane, on their domains' axes, over filled bands; the best one has a ring."""
    places = [(x / 6 + 0.01, y / 6 + 0.01) for x in range(6) for y in range(6)]
    results = _places(tmp_path, places, lr=LogUniform(1e-3, 1.0), momentum=Uniform(0, 1))
    assert has_plane(results)
    ax = drawn(plots.landscape, results)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")
    assert any(len(group.get_paths()) > 2 for group in ax.collections)
    assert results.best is not None
    ring = ax.get_lines()[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == tuple(results.best.config.values())
    assert "The best of 36 trials is at lr 0.51" in captions.of_best_place(results)


def test_trials_on_a_line_have_no_bands(tmp_path: Path, drawn: Any) -> None:
    """Nothing can be said of the plane beside it: points alone are drawn."""
    results = _places(tmp_path, [(part / 20, part / 20) for part in range(1, 15)], a=Uniform(0, 1), b=Uniform(0, 1))
    assert not drawn(plots.landscape, results).collections


def test_other_spaces_are_no_plane(asha_results: Results) -> None:
    """Six parameters, some of them choices, have no such picture; nor do epochs without places have ways."""
    assert not has_plane(asha_results)
    assert not has_paths(asha_results)


@pytest.fixture
def walked(tmp_path: Path) -> Results:
    """Two trials that walk for three epochs."""
    job = studies.tune_job("walk", space={"lr": Uniform(0, 1)}, objectives=[Objective("value", "min")])
    recording = studies.Recording(tmp_path, job, metrics=("value", "x", "y"))
    for index, lr in enumerate((0.2, 0.4)):
        trial = f"{index:04d}"
        recording.decide(trial, 0, "start", index, config_after={"lr": lr})
        for epoch in (1, 2, 3):
            recording.train(trial, epoch, {"lr": lr}, 1 - lr * epoch, epoch, x=lr * epoch, y=-lr * epoch)
        recording.decide(trial, 3, "finish", 3)
    recording.end(4)
    return load_results(tmp_path / "walk")


def test_ways_go_from_epoch_to_epoch(walked: Results, drawn: Any) -> None:
    """The best trial's way is a line through its places, the other's a thin one behind."""
    assert has_paths(walked)
    ax = drawn(plots.paths, walked)
    best = next(line for line in ax.get_lines() if len(line.get_xdata()) == 3)
    np.testing.assert_allclose(best.get_xdata(), [0.4, 0.8, 1.2])
    np.testing.assert_allclose(ax.collections[0].get_segments()[0][:, 1], [-0.2, -0.4, -0.6])
    assert captions.of_paths(walked).startswith("The best trial is at (0.4, -0.4) after its first epoch and at (1.2, ")


def test_the_report_has_planes_where_there_are_two_numbers_and_ways(tmp_path: Path) -> None:
    """The bands, and the ways of trials that tell of x and y epoch by epoch, are sections of their own."""
    job = studies.tune_job("ways", space={"x": Uniform(0, 1), "y": Uniform(0, 1)}, scheduler="fifo")
    recording = studies.Recording(tmp_path, job, metrics=("val_accuracy", "x", "y"))
    for index in range(16):
        trial, config = f"{index:04d}", {"x": index % 4 / 4, "y": index // 4 / 4}
        recording.decide(trial, 0, "start", index, config_after=config)
        for epoch in (1, 2):
            value = index / 20 + epoch / 50
            recording.train(trial, epoch, config, value, index + epoch / 2, x=value, y=1 - value)
        recording.decide(trial, 2, "finish", index + 1)
    recording.end(17)
    titles = [section.title for section in sections(load_results(tmp_path / "ways"))]
    assert {"The objective over both hyperparameters", "The ways that were walked"} <= set(titles)
