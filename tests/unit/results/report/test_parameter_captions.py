"""The sentences beneath pictures of hyperparameters."""

import re
from pathlib import Path

from pipeline.results import Results, load_results
from pipeline.results.report import parameter_captions
from pipeline.space import Choice, LogUniform, Switch, Uniform
from pipeline.study import layout
from tests.unit.results.small_studies import plane_study
from tests.unit.results.studies import Recording, tune_job


def test_listed_values_are_named_in_the_order_of_their_domain(tmp_path: Path) -> None:
    """The caption lists values in the order of their domain, whichever trial is the best."""
    study = Recording(tmp_path, tune_job("listed", space={"width": Choice((32, 64, 128))}))
    for number, (width, value) in enumerate([(128, 0.9), (32, 0.8), *[(64, 0.1)] * 6]):
        trial, config = layout.trial_id(number), {"width": width}
        study.decide(trial, 0, "start", number, config_after=config)
        study.train(trial, 1, config, value, number + 0.1)
        study.decide(trial, 1, "finish", number + 0.5)
    study.end(9)
    assert "have width 32 or 128" in parameter_captions.of_parallel_coordinates(load_results(study.store.uri))


def test_a_hyperparameter_is_described_by_its_kind(asha_results: Results) -> None:
    """The caption of a number has a rank correlation and the best quarter, and that of listed values their medians."""
    assert re.fullmatch(
        r"Rank correlation [+−]0\.\d\d over 22 trials, the best \d+ between .* and .*\.",
        parameter_captions.of_objective_against(asha_results, "lr"),
    )
    reported = parameter_captions.of_objective_against(asha_results, "optimizer")
    medians = [float(number) for number in re.findall(r"([\d.]+) at ", reported)]
    assert reported.startswith("Medians: ")
    assert medians == sorted(medians, reverse=True)


def test_a_schedule_includes_the_parent_of_the_best_model(population: Results) -> None:
    """The schedule of the best model begins with its parent's values."""
    assert parameter_captions.of_schedule(population, "lr") == "0.1 → 0.08."


def test_the_best_position_is_described(tmp_path: Path) -> None:
    """The caption has the best trial's position in the plane."""
    places = [(x / 6 + 0.01, y / 6 + 0.01) for x in range(6) for y in range(6)]
    results = plane_study(tmp_path, places, lr=LogUniform(1e-3, 1.0), momentum=Uniform(0, 1))
    assert (
        parameter_captions.of_best_place(results) == "The best of 36 trials is at lr 0.51 and momentum 0.51: 0.01414."
    )


def test_a_parameter_that_the_best_model_lacks_has_a_sentence(tmp_path: Path) -> None:
    """The schedule of a hyperparameter of another branch says that the best model does not have it."""
    space = {"kind": Switch({"a": {"momentum": Uniform(0.0, 1.0)}, "b": {}})}
    study = Recording(tmp_path, tune_job("switched", space=space, scheduler="pbt"))
    for trial, config, value in (("0000", {"kind": "b"}, 0.9), ("0001", {"kind": "a", "momentum": 0.5}, 0.1)):
        study.decide(trial, 0, "start", 0.0, config_after=config)
        study.train(trial, 1, config, value, 1.0)
    study.end(2.0)
    results = load_results(study.store.uri)
    assert parameter_captions.of_schedule(results, "momentum") == "The best model does not have it."
    assert parameter_captions.of_schedule(results, "kind") == "b throughout."
