"""The hypervolume that trials dominate."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.pareto import hypervolume
from pipeline.results import Results, load_results
from pipeline.results.analysis.hypervolume import box_of, hypervolume_of, hypervolumes
from pipeline.study import Objective
from tests.unit.results.front_studies import recorded


def _results(folder: Path, *further: Objective, points: list[tuple[float, int]]) -> Results:
    return load_results(recorded(folder, *further, points=points).store.uri)


def test_the_reference_point_is_beyond_the_front(tmp_path: Path) -> None:
    """The box of a hypervolume reaches from the front's best values to a tenth of its range beyond the worst ones."""
    results = _results(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)])
    box = box_of([results])
    assert box is not None
    assert box.best == {"val_accuracy": 0.9, "parameters": 100.0}
    assert box.reference == pytest.approx({"val_accuracy": 0.46, "parameters": 1090.0})


def test_the_share_grows_with_the_front(tmp_path: Path) -> None:
    """An epoch adds the space that it alone dominates to the hypervolume, and a dominated epoch adds nothing."""
    results = _results(tmp_path, points=[(0.9, 1000), (0.5, 100), (0.4, 5000)])
    found = hypervolume_of(results)
    assert found is not None
    box, share = found
    curve = hypervolumes(results, box)
    whole = (0.9 - 0.46) * (1090 - 100)
    first, both = (0.9 - 0.46) * 90 / whole, ((0.9 - 0.46) * 90 + (0.5 - 0.46) * 900) / whole
    assert curve["share"].tolist() == pytest.approx([first, first, both, both, both, both])
    assert curve["epochs"].tolist() == [1, 2, 3, 4, 5, 6]
    assert curve["trials"].tolist() == [1, 1, 2, 2, 3, 3]
    assert share == pytest.approx(both)


def test_the_share_is_that_of_all_epochs_so_far(tmp_path: Path) -> None:
    """After each epoch the share is what all epochs so far dominate, even where they are more than a thousand."""
    rng = np.random.default_rng(0)
    points = [
        (float(value), int(count)) for value, count in zip(rng.random(550), rng.integers(1, 999, 550), strict=True)
    ]
    results = _results(tmp_path, points=points)
    box = box_of([results])
    assert box is not None
    epochs = results.epochs.assign(failed=results.epochs["trial_id"] == "0005").sort_values("time")
    (high, low), (worst, most) = box.best.values(), box.reference.values()
    scaled = np.column_stack(
        [(high - epochs["val_accuracy"]) / (high - worst), (epochs["parameters"] - low) / (most - low)]
    )
    counts = (scaled < 1).all(axis=1) & ~epochs["failed"].to_numpy()
    shares = [hypervolume(scaled[: end + 1][counts[: end + 1]], np.ones(2)) for end in range(len(scaled))]
    assert hypervolumes(results, box)["share"].tolist() == pytest.approx(shares)


def test_trials_beyond_bounds_and_failed_ones_add_nothing(tmp_path: Path) -> None:
    """Only epochs within the bounds, of trials that did not fail, count for the hypervolume."""
    points = [(0.9, 1000), (0.5, 100), (0.4, 5000), (0.3, 10), (0.2, 5), (0.99, 1)]
    results = _results(tmp_path, Objective("parameters", "min", at_most=500), points=points)
    box = box_of([results])
    assert box is not None
    assert box.best == {"val_accuracy": 0.5, "parameters": 5.0}
    assert hypervolumes(results, box)["share"].iloc[1] == 0.0


def test_several_studies_have_one_box(tmp_path: Path) -> None:
    """Studies of the same objectives share one box, in which their shares can be compared, and others have no box."""
    good = _results(tmp_path / "a", points=[(0.9, 1000), (0.5, 100)])
    poor = _results(tmp_path / "b", points=[(0.8, 1000), (0.5, 900)])
    box = box_of([good, poor])
    assert box is not None
    assert hypervolumes(good, box)["share"].iloc[-1] > hypervolumes(poor, box)["share"].iloc[-1]
    other = _results(tmp_path / "c", Objective("updates", "min"), points=[(0.8, 1000)])
    assert box_of([good, other]) is None


def test_one_objective_has_no_hypervolume(asha_results: Results) -> None:
    """A study of one objective has no box and no hypervolume."""
    assert hypervolume_of(asha_results) is None


def test_a_front_of_one_trial_has_a_box(tmp_path: Path) -> None:
    """A front without a range has the worst values of all epochs as its reference point."""
    results = _results(tmp_path, points=[(0.9, 100), (0.5, 1000)])
    found = hypervolume_of(results)
    assert found is not None
    assert found[0].reference == pytest.approx({"val_accuracy": 0.49, "parameters": 1000.0})
    assert found[1] == pytest.approx(1.0)
