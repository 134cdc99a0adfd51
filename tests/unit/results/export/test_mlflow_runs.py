"""The content of MLflow's runs, without MLflow."""

from dataclasses import replace

import pytest

from pipeline.results import Results
from pipeline.results.export.mlflow_runs import study_run, trial_runs


def test_a_trial_has_its_epochs_as_metrics_and_its_config_as_params(asha_results: Results) -> None:
    """The best trial's run has the config as text, each epoch's value with its time, and the best value."""
    best = asha_results.best
    assert best is not None
    run = trial_runs(asha_results)[best.trial_id]
    own = asha_results.epochs[asha_results.epochs["trial_id"] == best.trial_id]

    assert run.params == {name: str(value) for name, value in best.config.items()}
    accuracy = [metric for metric in run.metrics if metric.name == "val_accuracy"]
    assert [(metric.step, metric.value) for metric in accuracy] == list(
        zip(own["epoch"], own["val_accuracy"], strict=True)
    )
    assert [metric.timestamp for metric in accuracy] == [int(time.timestamp() * 1000) for time in own["time"]]
    assert [(metric.value, metric.step) for metric in run.metrics if metric.name == "best.val_accuracy"] == [
        (best.value, best.epoch)
    ]
    assert run.start <= accuracy[0].timestamp <= run.end


def test_states_become_statuses_of_mlflow(asha_results: Results) -> None:
    """In MLflow, failed trials are FAILED with their error, stopped ones FINISHED, and a running study RUNNING."""
    runs = trial_runs(asha_results)
    states = dict(zip(asha_results.trials["trial_id"], asha_results.trials["state"], strict=True))
    assert set(runs) == set(states)
    for trial_id, run in runs.items():
        assert run.status == ("FAILED" if states[trial_id] == "failed" else "FINISHED")
        assert run.tags["tunepipe.state"] == states[trial_id]
    assert "ValueError: units" in runs["0004"].tags["tunepipe.error"]
    assert study_run(replace(asha_results, state="running")).status == "RUNNING"


@pytest.mark.parametrize("changed", [{}, {"trial_id": "0000"}])
def test_only_a_changed_trial_has_another_digest(asha_results: Results, changed: dict[str, str]) -> None:
    """A trial's digest for MLflow is the same until something of the trial changes."""
    trials = asha_results.trials.copy()
    trials.loc[trials["trial_id"].isin(changed.values()), "seconds"] += 1
    before, after = trial_runs(asha_results), trial_runs(replace(asha_results, trials=trials))
    differing = [trial_id for trial_id in before if before[trial_id].digest != after[trial_id].digest]
    assert differing == list(changed.values())


def test_texts_are_cut_to_the_length_that_mlflow_accepts(asha_results: Results) -> None:
    """The first 5000 characters of a long error become a tag, because MLflow refuses longer ones."""
    trials = asha_results.trials.copy()
    trials.loc[trials["trial_id"] == "0004", "error"] = "x" * 6000
    assert trial_runs(replace(asha_results, trials=trials))["0004"].tags["tunepipe.error"] == "x" * 5000


def test_a_study_has_its_job_as_params_and_the_winner_as_metric(asha_results: Results) -> None:
    """A study's run has scheduler, searcher and domains as params, and the best value at its number of epochs."""
    run = study_run(asha_results)
    assert asha_results.best is not None
    assert (run.params["scheduler"], run.params["searcher"]) == ("asha", "random")
    assert run.params["space.units"] == "whole numbers from 16 to 256, uniform in the logarithm"
    (best,) = [metric for metric in run.metrics if metric.name == "best.val_accuracy"]
    assert (best.value, best.step) == (asha_results.best.value, len(asha_results.epochs))
    assert run.tags["tunepipe.best_trial"] == asha_results.best.trial_id


@pytest.mark.parametrize(
    ("metric", "name"),
    [
        ("test_accuracy", "test_accuracy"),
        ("left/test loss", "left/test loss"),
        ("test_top@5", "test_top_5"),
        ("f1[0]", "f1_0"),
        ("../up", "up"),
    ],
)
def test_a_metric_has_a_name_that_mlflow_accepts(asha_results: Results, metric: str, name: str) -> None:
    """A test metric keeps its name in MLflow, or has that of a column where MLflow refuses it."""
    from mlflow.utils.validation import _validate_metric_name

    (found,) = [one for one in study_run(replace(asha_results, test={metric: 0.5})).metrics if one.value == 0.5]
    assert found.name == name
    _validate_metric_name(found.name)


def test_a_study_without_sessions_and_epochs_has_no_times(asha_results: Results) -> None:
    """MLflow's run of a study that has recorded nothing yet starts and ends at zero, without metrics."""
    frames = {"trials": asha_results.trials.head(0), "epochs": asha_results.epochs.head(0)}
    run = study_run(replace(asha_results, **frames, sessions=(), best=None))
    assert (run.start, run.end, run.metrics) == (0, 0, [])
