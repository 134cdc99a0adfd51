"""Where in a picture each trial is."""

import numpy as np
import pandas as pd
import pytest

from pipeline.results import Results, load_results
from pipeline.results.report import hover_points
from tests.unit.results.front_studies import recorded
from tests.unit.results.studies import with_tables


def test_each_epoch_with_a_value_is_on_the_learning_curves(asha_results: Results) -> None:
    """Each epoch with a value has a hover point on the learning curves, or of very many only each trial's last one."""
    rows = asha_results.epochs[np.isfinite(asha_results.epochs["val_accuracy"])]
    found = hover_points.of_learning_curves(asha_results)
    assert found == list(zip(rows["trial_id"], rows["epoch"], rows["val_accuracy"], strict=True))
    many = pd.concat([asha_results.epochs.assign(epoch=asha_results.epochs["epoch"] + 9 * n) for n in range(60)])
    many = many.sort_values(["trial_id", "epoch"])
    few = hover_points.of_learning_curves(with_tables(asha_results, epochs=many))
    assert [trial for trial, *_ in few] == list(rows["trial_id"].unique())


@pytest.mark.parametrize("parameter", ["lr", "optimizer"])
def test_each_trial_is_at_its_value_of_a_hyperparameter(asha_results: Results, parameter: str) -> None:
    """Each trial has a hover point at its value, slightly spread for listed values."""
    found = {trial: (x, y) for trial, x, y in hover_points.of_objective_against(asha_results, parameter)}
    trials = asha_results.trials[asha_results.trials["objective"].notna() & (asha_results.trials["state"] != "failed")]
    values = trials.set_index("trial_id")["objective"]
    assert {trial: y for trial, (_, y) in found.items()} == values.to_dict()
    if parameter == "lr":
        assert {trial: x for trial, (x, _) in found.items()} == trials.set_index("trial_id")["config_lr"].to_dict()
    else:
        places = dict(zip(("sgd", "rmsprop", "adam"), range(3), strict=True))
        for trial, optimizer in zip(trials["trial_id"], trials["config_optimizer"], strict=True):
            assert abs(found[trial][0] - places[optimizer]) < 0.5


def test_a_parameter_of_one_branch_has_only_its_trials(branches_results: Results) -> None:
    """A parameter of one branch has hover points only for the trials of that branch."""
    having = branches_results.trials[branches_results.trials["config_period"].notna()]
    found = {trial for trial, *_ in hover_points.of_objective_against(branches_results, "period")}
    assert found
    assert found <= set(having["trial_id"])


def test_bars_of_rungs_have_their_ends_and_their_middles(asha_results: Results) -> None:
    """A trial's bar has a hover point at its last epoch and, if it has more than one epoch, one at its middle."""
    epochs = dict(zip(asha_results.trials["trial_id"], asha_results.trials["epochs"], strict=True))
    found = hover_points.of_rungs(asha_results)
    ends, middles = found[: len(epochs)], found[len(epochs) :]
    assert {trial: x for trial, x, _ in ends} == epochs
    assert {trial: x for trial, x, _ in middles} == {t: e / 2 for t, e in epochs.items() if e > 1}


def test_points_of_a_trade_off_have_both_objectives(tmp_path) -> None:
    """A hover point of a trade-off has the other objective as its x and the first one as its y."""
    results = load_results(recorded(tmp_path).store.uri)
    assert ("0003", 20_000.0, 0.95) in hover_points.of_trade_off(results, "parameters")


def test_the_best_so_far_has_its_rises(asha_results: Results) -> None:
    """The curve of the best value has hover points where it rises, and the last one is the best trial's."""
    found = hover_points.of_best_so_far(asha_results)
    values = [value for *_, value in found]
    assert values == sorted(set(values))
    assert asha_results.best is not None
    assert found[-1][0] == asha_results.best.trial_id
