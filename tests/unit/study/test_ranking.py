"""The order of trials."""

import math
from dataclasses import asdict

import duckdb
import numpy as np
import pyarrow as pa

from pipeline.storage.tables import DRAW_ORDER, scored_sql
from pipeline.study import Objective
from pipeline.study.ranking import ranking_key, ranking_sql, total_violation


def test_less_is_better_with_the_mode_min() -> None:
    small, large = (ranking_key("0000", value, 1, failed=False, mode="min") for value in (0.1, 0.2))
    assert small < large


def test_the_order_of_a_whole_table_is_that_of_the_keys() -> None:
    rng = np.random.default_rng(0)
    values = rng.choice([0.5, 0.25, -0.0, 0.0, math.nan, math.inf], 300)
    epochs = rng.choice([1, 2], 300)
    failed, violations = rng.random(300) < 0.2, rng.choice([0.0, 0.5], 300)
    trials = [f"{index:04d}" for index in range(300)]
    table = pa.table(
        {
            "trial_id": trials,
            "state": np.where(failed, "failed", "completed"),
            "objective": values,
            "best_epoch": epochs,
            "violation": violations,
        }
    )
    rows = list(zip(trials, values, epochs, failed, violations, strict=True))
    with duckdb.connect() as database:
        database.register("trials", table)
        for mode, loss in (("max", "-objective"), ("min", "objective")):
            order = ", ".join([*ranking_sql(loss), DRAW_ORDER])
            found = database.sql(f"select trial_id from trials order by {order}").fetchall()
            keys = {
                trial: ranking_key(trial, value, epoch, failed=bool(fails), mode=mode, violation=violation)
                for trial, value, epoch, fails, violation in rows
            }
            assert [trial for (trial,) in found] == sorted(trials, key=keys.__getitem__)


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
    epochs = pa.table(values)
    study = {"job": {"objectives": [asdict(one) for one in objectives]}}
    with duckdb.connect() as database:
        database.register("epochs", epochs)
        found = database.sql(f"select _violation from ({scored_sql(study, epochs.schema)})").fetchall()
    assert [violation for (violation,) in found] == [total_violation(row) for row in rows]
