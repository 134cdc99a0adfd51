"""Which pictures a report has, and what is written below them."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.results import Results, load_results
from pipeline.results.analysis.importance import importances
from pipeline.results.report.picture import Section
from pipeline.results.report.sections import sections
from pipeline.study import Objective
from tests.extreme_studies import EDGES
from tests.recorded_studies import Recording, tune_job
from tests.unit.results.front_studies import recorded

OF_RUNGS, OF_PARAMETERS = "Epoch at which each trial was stopped", "Objective against each hyperparameter"


def found(results: Results) -> dict[str, Section]:
    """The sections of a study by their titles."""
    return {section.title: section for section in sections(results)}


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Results:
    """Results of a study that maximises an accuracy and minimises its parameters."""
    return load_results(recorded(tmp_path_factory.mktemp("studies")).store.uri)


@pytest.mark.parametrize(
    ("study", "has", "lacks"),
    [
        ("asha_results", ["Learning curves", OF_RUNGS, "Where the time went"], ["Lineage"]),
        ("population", ["Lineage"], [OF_RUNGS]),
        ("both", ["One objective against another"], ["Lineage"]),
    ],
)
def test_a_study_has_the_pictures_it_has_something_to_show_for(
    study: str, has: list[str], lacks: list[str], request: pytest.FixtureRequest
) -> None:
    """The report has the sections that its study has something to show for."""
    titles = found(request.getfixturevalue(study))
    assert set(has) <= set(titles)
    assert not set(lacks) & set(titles)


def test_pictures_show_the_most_influential_of_many_hyperparameters(wide: Results) -> None:
    """Of 60 hyperparameters, pictures show 16, and their notes say so."""
    shown = found(wide)
    against, parallel = shown[OF_PARAMETERS], shown["All hyperparameters together"]
    assert len(against.pictures) == 16
    for section in (against, parallel):
        assert "Of 60 hyperparameters, the" in section.note


def test_each_further_objective_has_a_picture_against_the_first(tmp_path: Path, both: Results) -> None:
    """Of three objectives, the second and the third each have a picture, whose caption has the ends of the front."""
    further = [Objective("parameters", "min"), Objective("seconds_train", "min")]
    results = load_results(recorded(tmp_path, *further).store.uri)
    pictures = found(results)["One objective against another"].pictures
    assert ["against parameters" in one.alt for one in pictures] == [True, False]
    (picture,) = found(both)["One objective against another"].pictures
    ends = "val_accuracy 0.95 with parameters 20000 to val_accuracy 0.5 with parameters 10"
    assert picture.caption() == f"4 of 6 trials on the front: {ends}."


def test_each_hyperparameter_has_its_picture(known: Results) -> None:
    """Each hyperparameter has a picture after the bars, and a best value only if it has an effect."""
    shown = found(known)
    assert len(shown["What mattered"].pictures) == 1
    effects = importances(known)[0].effects
    for effect, picture in zip(effects, shown["val_loss along each hyperparameter"].pictures, strict=True):
        assert picture.alt == f"Chart of the mean val_loss along {effect.parameter.name}."
        assert picture.caption().startswith(f"Best at {effect.best}; " if effect.best else "No best value")
    assert {effect.parameter.name for effect in effects if effect.best} == {"a", "c"}


def test_of_many_branches_those_with_the_most_trials_have_sections(
    known: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of ten branches, the eight with the most trials have sections, in their order, and the others are counted."""
    overall = importances(known)[0]
    branches = [
        replace(overall, when=(("kind", f"b{number}"),), trials=100 + number, effects=(), pairs=(), note="few")
        for number in range(10)
    ]
    monkeypatch.setattr("pipeline.results.report.sections.importances", lambda _: [overall, *branches])
    shown = found(known)
    assert [title for title in shown if "where kind is b" in title] == [
        f"What mattered where kind is b{number}" for number in range(2, 10)
    ]
    assert shown["What mattered where kind is b2"].note == "few"
    assert shown["What mattered in other branches"].note.startswith("2 branches with fewer trials")


def test_captions_say_in_numbers_what_pictures_show(asha_results: Results) -> None:
    """Captions name the best trial, the time of the best value, stops by rung, medians and correlations."""
    shown = found(asha_results)
    best = asha_results.best
    assert best is not None
    caption = {picture.name: picture.caption() for section in shown.values() for picture in section.pictures}
    assert caption["curves"].startswith(f"Trial {best.trial_id} reaches val_accuracy {best.value:.4g} at epoch 9; the")
    assert " 2 trials failed" in caption["curves"]
    assert re.match(r"val_accuracy 0\.9666 was reached after .* of .*", caption["best"])
    assert re.match(r"Trials stopped: \d+ of \d+ at epoch 1 and \d+ of \d+ at epoch 3\.", caption["rungs"])
    against = [picture.caption() for picture in shown[OF_PARAMETERS].pictures]
    assert re.fullmatch(r"Rank correlation [+−]0\.\d\d; the best \d+ of 22 trials at .* to .*\.", against[0])
    medians = [float(number) for number in re.findall(r"([\d.]+) at ", against[3])]
    assert medians == sorted(medians, reverse=True) != []


def test_a_study_without_a_usable_value_says_so(tmp_path: Path) -> None:
    """Captions say that no trial has a value, that all values are beyond a bound, and that none is on the front."""
    failed = found(load_results(EDGES["all_failed"](tmp_path / "failed").store.uri))
    assert failed["Learning curves"].pictures[0].caption() == "No trial has a usable val_accuracy."
    objectives = (Objective("val_accuracy", "max"), Objective("accuracy", "max", at_most=0.1))
    recording = Recording(tmp_path, tune_job("bounded", space={}, objectives=objectives))
    for trial, epoch, value, at in (("0000", 1, 0.5, 1), ("0000", 2, 0.95, 2), ("0001", 1, 0.7, 3)):
        recording.train(trial, epoch, {}, value, at)
    recording.end(5)
    shown = found(load_results(recording.store.uri))
    assert shown["Best so far"].pictures[0].caption() == "No trial has a value within the bounds."
    assert "within the bounds" in shown["One objective against another"].pictures[0].caption()
