"""What results say in sentences."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.cli.results import show
from pipeline.results import Results, load_results
from pipeline.results.views.summary import paragraphs
from pipeline.space import Uniform
from pipeline.study import layout
from tests.unit.results.extreme_studies import EDGES
from tests.unit.results.small_studies import user_stopped_study
from tests.unit.results.studies import Recording, tune_job


@pytest.mark.parametrize(
    ("full", "stopped", "words"),
    [
        (1, 0, "The one trial completed."),
        (4, 0, "All 4 trials completed."),
        (1, 2, "Of 3 trials, 1 completed and 2 stopped early."),
        (2, 1, "Of 3 trials, 2 completed and 1 stopped early."),
    ],
)
def test_the_sentence_on_trials_agrees_with_their_number(full: int, stopped: int, words: str, tmp_path: Path) -> None:
    """The sentence on what trials did is in the singular for one trial and in the plural for more."""
    study = Recording(tmp_path, tune_job("some", space={"lr": Uniform(0, 1)}, budget={"trials": 4, "epochs": 1}))
    for number in range(full + stopped):
        trial = f"{number:04d}"
        study.decide(trial, 0, "start", 0, config_after={"lr": 0.5})
        study.train(trial, 1, {"lr": 0.5}, 0.5, 1)
        study.decide(trial, 1, "finish" if number < full else "stop", 2, cutoff=None if number < full else 0.6)
    study.end(3)
    assert words in " ".join(paragraphs(load_results(study.store.uri)))


def test_a_user_stops_a_trial_not_the_end_of_the_study(tmp_path: Path) -> None:
    """A trial that a user stopped is described so, and neither as stopped early nor as cut off by the study's end."""
    text = " ".join(paragraphs(user_stopped_study(tmp_path)))
    assert "Of 2 trials, 1 completed and 1 stopped by a user." in text


@pytest.mark.parametrize(
    ("state", "message"),
    [("finished", "The study's budget of 4 epochs is spent."), ("failed", "The study 'some' ended without a value.")],
)
def test_results_say_why_a_study_ended_early(state: str, message: str, tmp_path: Path, capsys) -> None:
    """The report and `results` have the driver's reason for the early end of a study."""
    study = Recording(tmp_path, tune_job("some", space={"lr": Uniform(0, 1)}, budget={"trials": 4, "epochs": 1}))
    study.decide("0000", 0, "start", 0, config_after={"lr": 0.5})
    study.train("0000", 1, {"lr": 0.5}, 0.5, 1)
    study.decide("0000", 1, "finish" if state == "finished" else "fail", 2)
    study.end(3, state, message=message)
    assert paragraphs(load_results(study.store.uri))[-1].endswith(message)
    show(study.store, top=3, as_json=False)
    assert capsys.readouterr().out.count(message) == 1


def test_users_decisions_about_the_study_are_in_the_summary(tmp_path: Path, capsys) -> None:
    """The report and `results` say what users decided about the study: the last decisions, and how many came before."""
    study = Recording(tmp_path, tune_job("some", space={"lr": Uniform(0, 1)}, budget={"trials": 4, "epochs": 1}))
    for number in range(1, 11):
        study.decide(
            None,
            None,
            "budget",
            number,
            f"A user changed the budget (trials {number + 1} instead of {number}) (command c{number}).",
        )
    study.end(11)
    text = paragraphs(load_results(study.store.uri))[-1]
    assert text.startswith(
        "The table decisions has 2 earlier decisions about the whole study. A user changed the budget"
    )
    assert "(command" not in text
    assert (text.count("A user changed"), "trials 11 instead of 10" in text) == (8, True)
    show(study.store, top=3, as_json=False)
    assert "trials 11 instead of 10" in " ".join(capsys.readouterr().out.split())


def test_a_failed_export_of_the_winner_is_in_the_summary(tmp_path: Path, capsys) -> None:
    """The report and `results` say why the newest session could not export its winner, and which command does it."""
    study = Recording(tmp_path, tune_job("some", space={"lr": Uniform(0, 1)}, budget={"trials": 1, "epochs": 1}))
    study.decide("0000", 0, "start", 0, config_after={"lr": 0.5})
    study.train("0000", 1, {"lr": 0.5}, 0.5, 1)
    study.decide("0000", 1, "finish", 2)
    study.end(3)
    results = load_results(study.store.uri)
    assert "not exported" not in " ".join(paragraphs(results))
    path = layout.session(1)
    failed = {**study.store.read_json(path), "winner_failure": "ModelError: it does not load back."}
    study.store.write(path, json.dumps(failed))
    said = (
        "The best model was not exported, or not evaluated on the test split: ModelError: it does not load back. "
        f"`tunepipe export {study.store.uri} --to FOLDER` does both again."
    )
    assert said in " ".join(paragraphs(load_results(study.store.uri)))
    show(study.store, top=3, as_json=False)
    assert said in " ".join(capsys.readouterr().out.split())


def test_test_metrics_are_in_the_summary(asha_results: Results) -> None:
    """The summary of results has the winner's test metrics."""
    tested = replace(asha_results, test={"test_loss": 0.1, "test_accuracy": 0.9512})
    assert "test_loss 0.1 and test_accuracy 0.9512" in " ".join(paragraphs(tested))


def test_the_summary_counts_the_trials_that_ran(asha_results: Results) -> None:
    """The summary of results counts the existing trials, not those that the job asks for."""
    study = {**asha_results.study, "job": {**asha_results.job, "description": "8 trials of something"}}
    results = replace(asha_results, study=study)
    epochs = results.job["budget"]["epochs"]
    assert f": {len(results.trials)} trials of up to {epochs} epochs." in paragraphs(results)[0]


def test_one_epoch_is_counted_in_the_singular(tmp_path: Path) -> None:
    """In the summary of results, noun and verb are singular for one epoch."""
    results = load_results(EDGES["one_trial_one_epoch"](tmp_path).store.uri)
    assert any("1 epoch was trained in" in paragraph for paragraph in paragraphs(results))


def test_the_most_influential_of_many_hyperparameters_are_named(wide: Results) -> None:
    """Of 60 hyperparameters, sentences about the study name eight, beginning with the most influential one."""
    what, best, *_ = paragraphs(wide)
    assert "over p41, " in what
    assert " and 52 more, with" in what
    assert ": p41 " in best
    assert "and 52 more." in best
