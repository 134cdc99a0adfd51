"""Which pictures a report has."""

from importlib import import_module
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.report import captions
from pipeline.results.report.page import report_page
from pipeline.results.report.sections import live_sections, sections
from pipeline.space import Uniform
from pipeline.study import Objective
from tests.unit.results import studies
from tests.unit.results.front_studies import recorded
from tests.unit.results.small_studies import cut_off_study


def test_the_report_has_planes_and_paths(tmp_path: Path) -> None:
    """With two numeric parameters the report has sections for the bands and for the paths of x and y."""
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
    assert {"The objective over both hyperparameters", "Paths through the plane"} <= set(titles)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results of a study that maximises an accuracy and minimises its parameters."""
    return load_results(recorded(tmp_path_factory.mktemp("studies")).store.uri)


def test_a_note_says_that_not_all_points_are_drawn(both: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """The note of the objective against hyperparameters says so if there are more trials than points are drawn."""

    def note() -> str:
        return next(one.note for one in live_sections(both) if one.title.startswith("Objective against each"))

    assert note().endswith("The large one is the best trial.")
    monkeypatch.setattr(import_module("pipeline.results.report.sections"), "MAX_POINTS", 1)
    assert note().endswith("Each picture has the points of at most 1 evenly spaced trials.")


def test_the_report_shows_one_objective_against_the_other(both: Results) -> None:
    """The report shows two objectives in a picture with a description, and marks the trials on the front."""
    (section,) = [one for one in sections(both) if one.title == "One objective against another"]
    (picture,) = section.pictures
    assert picture.alt.startswith("Scatter chart of val_accuracy against parameters, with the Pareto front")
    assert picture.caption == (
        "4 of 6 trials are on the front: from val_accuracy 0.95 with parameters 20000 to val_accuracy 0.5 with "
        "parameters 10."
    )
    assert captions.of_trade_off(both, "parameters") == picture.caption
    page = report_page(both)
    assert page.count(">yes<") == 4
    assert ">20000<" in page


def test_each_further_objective_has_a_picture_against_the_first(tmp_path: Path) -> None:
    """Of three objectives, the second and the third each have a picture against the first."""
    further = [Objective("parameters", "min"), Objective("seconds_train", "min")]
    results = load_results(recorded(tmp_path, *further).store.uri)
    (section,) = [one for one in sections(results) if one.title == "One objective against another"]
    assert ["against parameters" in one.alt for one in section.pictures] == [True, False]


def test_a_study_has_the_pictures_it_has_something_to_show_for(tmp_path: Path, population: Results) -> None:
    """The report has rungs only if trials were stopped, and lineage and schedule only if weights were taken over."""
    stopped = cut_off_study(tmp_path, compared=True)
    halving, took_over = ([section.title for section in sections(one)] for one in (stopped, population))
    assert halving[0] == took_over[0] == "Learning curves"
    assert halving[-1] == took_over[-1] == "Where the time went"
    assert (
        "Epoch at which each trial was stopped" in halving,
        "Epoch at which each trial was stopped" in took_over,
    ) == (True, False)
    assert {"Lineage", "The schedule that was found"} <= set(took_over)
    assert {"Lineage", "The schedule that was found"}.isdisjoint(halving)


def test_models_and_costs_have_sections_of_their_own(folded: Results, batches: Results) -> None:
    """Trials of several models, and studies of several batch sizes, have their own sections in the report."""
    assert "Mean and deviation of a trial's models" in [section.title for section in sections(folded)]
    (cost,) = [section for section in sections(batches) if section.title == "What it costs"]
    assert len(cost.pictures) == 2
    assert "named by its batch size" in cost.note


def test_pictures_show_the_most_influential_of_many_hyperparameters(wide: Results) -> None:
    """Of 60 hyperparameters, pictures show the 16 most influential ones, and their notes say so."""
    found = {section.title: section for section in live_sections(wide)}
    said = "Of 60 hyperparameters, the 16 with the most influence on a trial's rank, each by itself, are shown."
    against, parallel = found["Objective against each hyperparameter"], found["All hyperparameters together"]
    assert len(against.pictures) == 16
    assert "against p41" in against.pictures[0].alt
    assert said in against.note
    assert said in parallel.note
    assert parallel.pictures[0].alt.startswith("Parallel coordinates of 16 hyperparameters")
    assert parallel.pictures[0].caption.count(" p") == 6
