"""What the searcher's model predicts for the last epoch."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.results import Results
from pipeline.results.analysis import Explanation
from pipeline.results.analysis.predictions import Prediction, predictions
from pipeline.searchers import CurveSearch, History
from pipeline.searchers.curve_process import Posterior
from pipeline.space import Choice, Cube, LogUniform, Switch, Uniform
from pipeline.study import Objective
from tests.unit.results.small_studies import CURVES, curve_value, curves_study


def by_name(found: list[Prediction]) -> dict[str, Prediction]:
    """Predictions by the path of their hyperparameter."""
    return {one.parameter.path: one for one in found}


def truth(results: Results, name: str, values: list[Any]) -> np.ndarray:
    """The mean accuracy at the last epoch over the configs of the trials, for each value."""
    configs = results.trials[[f"config_{other}" for other in CURVES]].to_dict("records")
    plain = [{key.removeprefix("config_"): value for key, value in config.items()} for config in configs]
    return np.array([np.mean([curve_value({**config, name: value}, 9) for config in plain]) for value in values])


def test_the_best_place_of_a_known_function_is_found(predicted: Explanation) -> None:
    """For each hyperparameter, the best predicted value is near the best true one, with an interval that orders."""
    found = by_name(list(predicted.predictions))
    assert list(found) == ["lr", "kind", "layers"]
    assert 0.004 < found["lr"].values[found["lr"].best] < 0.025
    assert found["kind"].values == ["a", "b", "c"]
    assert found["kind"].values[found["kind"].best] == "b"
    assert found["layers"].values == [1, 2, 3, 4]
    assert found["layers"].values[found["layers"].best] <= 2
    assert found["lr"].clear
    assert all((one.lows <= one.medians).all() and (one.medians <= one.highs).all() for one in found.values())


def test_most_true_values_lie_within_the_intervals(predicted: Explanation) -> None:
    """In the part of an axis where values are not clipped, most true means are within the 90% intervals."""
    one = by_name(list(predicted.predictions))["lr"]
    near = np.array([0.001 <= value <= 0.1 for value in one.values])
    true = truth(predicted.results, "lr", one.values)
    assert np.mean(((one.lows <= true) & (true <= one.highs))[near]) >= 0.8


def test_a_loss_is_predicted_as_its_negative(predicted: Explanation) -> None:
    """If less is better, the predictions have the smallest values at the best place, in the objective's units."""
    frame = predicted.results.epochs.assign(val_accuracy=-predicted.results.epochs["val_accuracy"])
    job = {**predicted.results.job, "objectives": [{"metric": "val_accuracy", "mode": "min"}]}
    study = {**predicted.results.study, "job": job}
    for one, other in zip(
        predictions(replace(predicted.results, epochs=frame, study=study)), predicted.predictions, strict=True
    ):
        assert one.best == other.best
        assert one.medians == pytest.approx(-other.medians)
        assert (one.lows <= one.highs).all()


def test_the_first_of_several_objectives_is_predicted(tmp_path: Path, predicted: Explanation) -> None:
    """With several objectives the predictions are those of the first one."""
    objectives = (Objective("val_accuracy", "max"), Objective("val_loss", "min"))
    found = predictions(curves_study(tmp_path, objectives=objectives))
    assert [one.medians.tolist() for one in found] == [one.medians.tolist() for one in predicted.predictions]


@pytest.mark.parametrize("fields", [{"trials": 5}, {"searcher": "random"}])
def test_without_a_model_there_is_no_prediction(tmp_path: Path, fields: Mapping[str, Any]) -> None:
    """There is no prediction with fewer trials than a first draw by the model needs, and none for other searchers."""
    assert predictions(curves_study(tmp_path, **fields)) == []


def test_a_hyperparameter_of_a_branch_is_predicted_where_it_is(tmp_path: Path) -> None:
    """A hyperparameter of a branch has a prediction of its own if a trial has it, and a switch one for each branch."""
    branches = {"a": {"lr": LogUniform(1e-4, 1.0)}, "b": {"layers": Choice((1, 2))}, "c": {"new": Uniform(0, 1)}}
    space = {"kind": Switch(branches), "fixed": 3}
    results = curves_study(tmp_path, space=space)
    found = by_name(predictions(results))
    assert list(found) == ["kind", "kind.a.lr", "kind.b.layers", "kind.c.new"]
    assert found["kind"].values == ["a", "b", "c"]
    assert found["kind.b.layers"].values[found["kind.b.layers"].best] == 1
    rows = results.trials["config_kind"] != "c"
    kept = results.trials.loc[rows, "trial_id"]
    fewer = replace(results, trials=results.trials[rows], epochs=results.epochs[results.epochs["trial_id"].isin(kept)])
    assert list(by_name(predictions(fewer))) == ["kind", "kind.a.lr", "kind.b.layers"]


def test_of_many_trials_some_are_used(predicted: Explanation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many trials, the best, the newest and some others are used, and the model gets no more than the limit."""
    seen: list[History] = []

    def record(self: CurveSearch, space: Any, history: History, epochs: int, units: Any) -> list[Any]:
        seen.append(history)
        return []

    monkeypatch.setattr("pipeline.results.analysis.predictions.MAX_OBSERVATIONS", 12)
    monkeypatch.setattr(CurveSearch, "predicted", record)
    assert predictions(predicted.results) == []
    ids = [one.trial_id for one in seen[0]]
    assert len(ids) == 12
    assert ids == sorted(ids)
    assert predicted.results.best is not None
    assert {predicted.results.best.trial_id, "0037", "0038", "0039"} <= set(ids)


def test_all_configs_along_a_hyperparameter_are_placed_in_one_call(
    predicted: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The places along a hyperparameter are points of the model in one step, whose cost is one for each side."""
    rows: list[int] = []
    points = Cube.points

    def record(self: Cube, units: np.ndarray) -> np.ndarray:
        rows.append(len(units))
        return points(self, units)

    monkeypatch.setattr(Cube, "points", record)
    found = predictions(predicted.results)
    trials = len(predicted.results.trials)
    assert rows[-len(found) :] == [len(one.values) * trials for one in found]


def test_the_values_of_a_hyperparameter_are_predicted_together(
    predicted: Explanation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process is asked once for each hyperparameter, however many values it has: a space may have hundreds."""
    asked: list[int] = []
    joint = Posterior.joint

    def record(self: Posterior, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        asked.append(len(groups))
        return joint(self, groups)

    monkeypatch.setattr(Posterior, "joint", record)
    assert asked == [len(one.values) for one in predictions(predicted.results)]


def test_damaged_copies_of_earlier_studies_leave_no_prediction(predicted: Explanation, tmp_path: Path) -> None:
    """If the copies of the earlier studies cannot be read, there is no prediction without them."""
    study = {**predicted.results.study, "job": {**predicted.results.job, "learn_from": ["a"]}}
    assert predictions(replace(predicted.results, study=study, location=str(tmp_path))) == []


@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_difference_is_clear_where_intervals_are_apart(predicted: Explanation, mode: str) -> None:
    """In either direction, the best value is clearly better than the worst if their intervals do not overlap."""
    sign = 1 if mode == "max" else -1
    middle = sign * np.array([0.1, 0.9, 0.5])
    one = replace(predicted.predictions[1], mode=mode, medians=middle, lows=middle - 0.3, highs=middle + 0.3)
    assert (one.best, one.worst, one.clear) == (1, 0, True)
    assert not replace(one, lows=middle - 0.5, highs=middle + 0.5).clear
