"""The order of trials."""

import math

import numpy as np

from pipeline.study import Objective
from pipeline.study.ranking import ranking_key, ranking_order, total_violation, total_violations


def test_value_then_epoch_then_draw_then_failed() -> None:
    trials = [
        ("0005", 0.9, 3, False),
        ("0004", 0.8, 1, False),
        ("0001", 0.8, 2, False),
        ("0002", 0.8, 2, False),
        ("0003", math.nan, None, False),
        ("0000", 0.99, 1, True),
        ("0006", None, None, True),
    ]
    keys = [ranking_key(trial, value, epoch, failed=failed, mode="max") for trial, value, epoch, failed in trials]
    assert sorted(keys) == keys


def test_less_is_better_with_the_mode_min() -> None:
    small, large = (ranking_key("0000", value, 1, failed=False, mode="min") for value in (0.1, 0.2))
    assert small < large


def test_the_order_of_a_whole_table_is_that_of_the_keys() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([0.5, 0.25, -0.0, 0.0, math.nan, math.inf], 300)
    epochs = rng.choice([1.0, 2.0, math.nan], 300)
    failed, violations = rng.random(300) < 0.2, rng.choice([0.0, 0.5], 300)
    for mode in ("max", "min"):
        keys = [
            ranking_key(
                f"{index:04d}", value, None if math.isnan(epoch) else int(epoch), failed=bool(fails),
                mode=mode, violation=violation,
            )
            for index, (value, epoch, fails, violation) in enumerate(
                zip(values, epochs, failed, violations, strict=True)
            )
        ]  # fmt: skip
        order = ranking_order(values, epochs, failed=failed, mode=mode, violations=violations)
        assert order.tolist() == sorted(range(300), key=keys.__getitem__)


def test_the_violations_of_a_whole_table_are_those_of_its_rows() -> None:
    objectives = [
        Objective("accuracy", "max"),
        Objective("loss", "min", at_most=0.3),
        Objective("parameters", "min", at_most=0.0, at_least=-7.0),
        Objective("gain", "max", at_least=1e-9),
    ]
    rng = np.random.default_rng(0)
    extremes = [math.nan, math.inf, -math.inf, 1.7e308, -1.7e308, 0.3, 0.0, -0.0, -7.0, 1e-9]
    values = {one.metric: np.append(rng.normal(0, 5, 200), rng.choice(extremes, 200)) for one in objectives}
    rows = [[(one, float(values[one.metric][row])) for one in objectives] for row in range(400)]
    found = total_violations(objectives, lambda one: values[one.metric], rows=400)
    assert found.tolist() == [total_violation(row) for row in rows]
