"""Early values and early stops: on curves for which the answer is known."""

import math
from pathlib import Path

import pandas as pd
import pytest

from pipeline.results import load_results
from pipeline.results.analysis.early_stopping import Stopping, agreements, stopping
from pipeline.study import Objective, layout
from tests.unit.results.small_studies import by_epoch_study
from tests.unit.results.studies import Recording, tune_job

RISING = [[0.1 * n, 0.1 * n + 0.05, 0.1 * n + 0.1, 0.1 * n + 0.2] for n in range(6)]


def _doubts(reported: Stopping) -> list[tuple[str, int, int]]:
    return [(one["trial_id"], one["improved_as_much"], one["compared_with"]) for one in reported.doubts]


def test_curves_that_never_cross_agree_from_the_first_epoch(tmp_path: Path) -> None:
    first, *_ = agreements(by_epoch_study(tmp_path, RISING, epochs=4)).to_pylist()
    assert (first["epoch"], first["trials"], first["place_of_best"], first["among"]) == (1, 6, 1, 6)
    assert first["correlation"] == first["high"] == pytest.approx(1)


@pytest.mark.parametrize(("trials", "low"), [(5, 0.386), (6, 0.745), (30, 0.999)])
def test_an_interval_of_few_trials_is_wide_where_all_agree(trials: int, low: float, tmp_path: Path) -> None:
    curves = [[0.01 * n, 0.01 * n + 0.05, 0.01 * n + 0.1, 0.01 * n + 0.2] for n in range(trials)]
    first, *_ = agreements(by_epoch_study(tmp_path, curves, epochs=4)).to_pylist()
    assert first["correlation"] == pytest.approx(1)
    assert first["low"] == pytest.approx(low, abs=0.02)


def test_curves_that_cross_disagree(tmp_path: Path) -> None:
    crossing = [[0.5 - 0.1 * n, 0.5, 0.5, 0.6 + 0.05 * n] for n in range(6)]
    first, *_ = agreements(by_epoch_study(tmp_path, crossing, epochs=4)).to_pylist()
    assert first["correlation"] == pytest.approx(-1)
    assert first["place_of_best"] == 6


def test_too_few_full_trials_say_nothing(tmp_path: Path) -> None:
    results = by_epoch_study(tmp_path, [*RISING[:4], [0.05]], epochs=4)
    assert agreements(results).num_rows == 0
    reported = stopping(results)
    assert (reported.stopped, reported.saved_epochs, reported.whole_epochs) == (1, 3, 20)
    assert reported.note
    assert reported.compared_with == 4


def test_a_stop_is_in_doubt_where_survivors_gained_enough(tmp_path: Path) -> None:
    reported = stopping(by_epoch_study(tmp_path, [*RISING, [0.55], [0.45]], epochs=4))
    assert _doubts(reported) == [("0006", 6, 6)]
    assert reported.doubts[0]["missing"] == pytest.approx(0.15)
    assert reported.saved_epochs == 6
    # A first epoch takes 0.6 s more; of the others' steady ones, 0.31, 0.27 and 0.29 s to train, the median counts.
    assert reported.saved_seconds == pytest.approx(2 * 3 * (0.29 + 0.05))


def test_a_stop_is_compared_with_trials_that_had_a_value_then(tmp_path: Path) -> None:
    late = [[math.nan, *curve[1:]] for curve in RISING[:2]]
    reported = stopping(by_epoch_study(tmp_path, [*late, *RISING[2:], [0.55]], epochs=4))
    assert _doubts(reported) == [("0006", 4, 4)]
    assert reported.compared_with == 6


def test_saved_seconds_need_a_measured_epoch(tmp_path: Path) -> None:
    reported = stopping(by_epoch_study(tmp_path, [[0.5], [0.4], [0.3]], epochs=9))
    assert reported.saved_epochs == 24
    assert reported.saved_seconds is None


def test_a_stopped_trial_beyond_a_bound_is_in_no_doubt(tmp_path: Path) -> None:
    objectives = [Objective("val_accuracy", "max"), Objective("parameters", "min", at_most=100)]
    study = Recording(
        tmp_path, tune_job("bounded", objectives=objectives, scheduler="asha", budget={"trials": 8, "epochs": 3})
    )
    for index in range(8):
        trial, beyond, stopped = layout.trial_id(index), index > 5, index == 7
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        for epoch in range(1, 2 if stopped else 4):
            value = (0.9 if beyond else 0.3 + 0.05 * index) + 0.01 * epoch
            study.train(trial, epoch, {"lr": 0.1}, value, float(epoch), parameters=1000 if beyond else 10)
        more = {"rung": 1, "cutoff": 0.99, "value": 0.9} if stopped else {}
        study.decide(trial, 1 if stopped else 3, "stop" if stopped else "finish", 4.0, **more)
    study.end(9.0)
    results = load_results(study.store.uri)
    assert results.best is not None
    assert results.best.trial_id == "0005"
    assert stopping(results).doubts == []
    assert [(one["place_of_best"], one["among"]) for one in agreements(results).to_pylist()] == [(1, 6), (1, 6)]


def test_a_loss_is_judged_as_a_metric(tmp_path: Path) -> None:
    curves = [*RISING, [0.55], [0.45]]
    metric = by_epoch_study(tmp_path / "max", curves, epochs=4)
    loss = by_epoch_study(tmp_path / "min", [[1 - value for value in curve] for curve in curves], epochs=4, mode="min")
    pd.testing.assert_frame_equal(agreements(loss).to_pandas(), agreements(metric).to_pandas())
    found, expected = (
        [{**one, "value": 0, "missing": round(one["missing"], 9)} for one in stopping(results).doubts]
        for results in (loss, metric)
    )
    assert found == expected != []


def test_trials_that_ended_early_have_no_final_value(tmp_path: Path) -> None:
    study = Recording(tmp_path, tune_job("early", scheduler="asha", budget={"epochs": 4, "trials": 9}))
    for index, curve in enumerate([*RISING, [0.05, 0.9]]):
        trial = layout.trial_id(index)
        study.decide(trial, 0, "start", 0.0, config_after={"lr": 0.1})
        for epoch, value in enumerate(curve, start=1):
            study.train(trial, epoch, {"lr": 0.1}, value, float(epoch))
        study.decide(trial, len(curve), "finish", 9.0)
    study.end(9.0)
    results = load_results(study.store.uri)
    assert set(agreements(results)["trials"].to_pylist()) == {6}
    assert (stopping(results).stopped, stopping(results).compared_with) == (0, 6)


def test_a_gain_is_that_after_the_epoch_of_the_stop(tmp_path: Path) -> None:
    late = [[0.1 * n, 0.3, 0.9 + 0.01 * n, 0.9 + 0.01 * n] for n in range(6)]
    (doubt,) = stopping(by_epoch_study(tmp_path, [*late, [0.1, 0.2, 0.9], [0.1, 0.5]], epochs=4)).doubts
    assert (doubt["trial_id"], doubt["epoch"], doubt["improved_as_much"]) == ("0007", 2, 6)
