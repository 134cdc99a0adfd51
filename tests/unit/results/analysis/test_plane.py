"""Whether a study is a plane."""

from dataclasses import replace
from pathlib import Path

from pipeline.results import Results
from pipeline.results.analysis.plane import has_plane, has_trajectories
from pipeline.space import Choice, Uniform
from tests.unit.results.small_studies import plane_study


def test_other_spaces_are_no_plane(asha_results: Results) -> None:
    """A space of six parameters with choices is not a plane, and epochs without x and y have no paths."""
    assert not has_plane(asha_results)
    assert not has_trajectories(asha_results)


def test_two_numbers_and_a_dozen_trials_are_a_plane(tmp_path: Path) -> None:
    """Two numeric parameters and a dozen trials make a plane, and fewer trials or a listed parameter do not."""
    places = [(x / 6 + 0.01, y / 6 + 0.01) for x in range(6) for y in range(2)]
    assert has_plane(plane_study(tmp_path / "enough", places, a=Uniform(0, 1), b=Uniform(0, 1)))
    assert not has_plane(plane_study(tmp_path / "few", places[:-1], a=Uniform(0, 1), b=Uniform(0, 1)))
    listed = [(0.25, y / 12) for y in range(12)]
    assert not has_plane(plane_study(tmp_path / "listed", listed, a=Choice([0.25, 0.5]), b=Uniform(0, 1)))


def test_epochs_with_x_and_y_are_paths(walked: Results) -> None:
    """Epochs with x and y are drawn as paths, unless no trial moves."""
    assert has_trajectories(walked)
    still = walked.epochs.assign(x=walked.epochs["trial_id"].astype(float))
    assert not has_trajectories(replace(walked, epochs=still))
