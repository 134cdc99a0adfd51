"""Rows of the table of trials."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.errors import JobNotFound
from pipeline.results import Results, load_results
from pipeline.results.tables.trials import configs_at_best, ranked, trial_row, trials_of_epochs
from pipeline.space import Choice
from tests.unit.results.studies import Recording, tune_job


def test_trials_are_ranked_by_value_then_epoch_then_id(tmp_path: Path) -> None:
    """Trials are ranked by value, then by earlier epoch, then by lower id, and failed and empty ones are last."""
    study = Recording(tmp_path, tune_job("ties", space={"a": Choice((1, 2))}))
    values = {"0000": [0.1, 0.8], "0001": [0.8], "0002": [0.8], "0003": [0.99], "0004": [], "0005": [0.9]}
    for trial, curve in values.items():
        study.decide(trial, 0, "start", 0.0, config_after={"a": 1})
        for epoch, value in enumerate(curve, start=1):
            study.train(trial, epoch, {"a": 1}, value, float(epoch))
    study.decide("0003", 1, "fail", 3.0, "loss is NaN")
    study.end(3.0)

    order = ranked(load_results(study.store.uri))

    assert order[:4] == ["0005", "0001", "0002", "0000"]
    assert set(order[4:]) == {"0003", "0004"}


def test_a_loss_is_ranked_from_below(domains_results: Results) -> None:
    """In mode min, the trial with the smallest value is ranked first."""
    objective = domains_results.trials.set_index("trial_id")["objective"]

    assert ranked(domains_results) == list(objective.sort_values().index)


def test_the_config_is_that_of_the_best_epoch(pbt_results: Results) -> None:
    """If exploits changed a trial's config, the config that reached the trial's best value counts."""
    found = configs_at_best(pbt_results)
    epochs = pbt_results.epochs.set_index(["trial_id", "epoch"])
    for trial, best_epoch in zip(pbt_results.trials["trial_id"], pbt_results.trials["best_epoch"], strict=True):
        assert found[trial]["lr"] == epochs.loc[(trial, best_epoch), "config_lr"]
    assert configs_at_best(pbt_results, ["0003"]) == {"0003": found["0003"]}


def test_a_trial_without_a_value_has_the_config_that_it_has_now(asha_results: Results) -> None:
    """A trial without a best epoch counts with its present config."""
    row = trial_row(asha_results, "0004")
    assert configs_at_best(asha_results)["0004"]["lr"] == row["config_lr"]


def test_a_space_without_hyperparameters_has_empty_configs(asha_results: Results) -> None:
    results = replace(asha_results, study={**asha_results.study, "job": {**asha_results.job, "space": {}}})
    assert set(map(str, configs_at_best(results).values())) == {"{}"}


def test_each_epoch_has_the_place_of_its_trial(asha_results: Results) -> None:
    ids = asha_results.trials["trial_id"].to_numpy()
    assert ids[trials_of_epochs(asha_results)].tolist() == asha_results.epochs["trial_id"].tolist()


@pytest.mark.parametrize(
    ("shown", "reported"),
    [
        (24, r"Available: 24 trials, 0000 to 0023; .* its id, 0023, or its number, 23\."),
        (
            2,
            r"Available: 0000, 0001; `tunepipe results /.*` shows the best of them\. A trial is named by its id",
        ),
        (1, r"Available: 0000; `tunepipe results"),
        (0, r"There is none yet\."),
    ],
)
def test_a_trial_that_does_not_exist_is_explained(asha_results: Results, shown: int, reported: str) -> None:
    """A trial that does not exist is refused with the existing ids, of which many are shortened to first and last."""
    few = replace(
        asha_results, tables=replace(asha_results.tables, trials=asha_results.table("trials").slice(0, shown))
    )
    with pytest.raises(JobNotFound, match=f"The study 'mnist-asha' has no trial '0099'. {reported}"):
        trial_row(few, "0099")
