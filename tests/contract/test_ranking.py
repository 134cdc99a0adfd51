"""One order of trials in all places that order trials."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from pipeline.engine.engine import Engine
from pipeline.engine.trial import Incumbent, Trial, rank
from pipeline.execution.driver.prune import Pruner
from pipeline.results import Results
from pipeline.results.analysis.parameters import TRIAL, best_quarter, scored
from pipeline.results.tables.sql import select_trials
from pipeline.results.tables.trials import board, pareto_front
from pipeline.results.views.study import leaderboard
from pipeline.space import Choice
from pipeline.storage import layout
from pipeline.storage.schema import arrow_schema
from pipeline.storage.tables import Tables, clean, derive_trials
from pipeline.study import Checkpoints, Objective
from tests.recorded_curves import row
from tests.recorded_studies import START, tune_job

Curves = Sequence[tuple[bool, Sequence[float]]]
"""Of each trial: whether it failed, and its values by epoch."""

VALUES = st.sampled_from([0.0, -0.0, 0.25, 0.5, 1e300, -1e300, math.nan, math.inf, -math.inf])
CURVES = st.lists(st.tuples(st.booleans(), st.lists(VALUES, max_size=3)), max_size=12)


def results_of(curves: Curves, first: int, mode: Any, at_most: float | None = None) -> Results:
    job = tune_job("ranks", space={"a": Choice((1, 2))}, objectives=(Objective("score", mode, at_most=at_most),))
    study = {"schema_version": 1, "job": job.to_json(), "data": None}
    epochs, decisions = [], []
    for index, (failed, values) in reversed(list(enumerate(curves, start=first))):
        fixed = {"study": "ranks", "session": 1, "trial_id": f"{index:04d}", "time": START}
        decisions += [
            {**fixed, "number": 2 * index + end, "epoch": 0, "kind": kind}
            for end, kind in enumerate(("start", "fail" if failed else "complete"))
        ]
        epochs += [
            {**fixed, "attempt": 1, "segment": 1, "epoch": epoch, "model_epoch": epoch, "score": value}
            | {"config_a": 2 - epoch % 2}
            for epoch, value in enumerate(values, start=1)
        ]
    space = {"a": Choice((1, 2))}
    tables = [
        clean(pa.Table.from_pylist(rows, arrow_schema(name, space, metrics)), name)
        for name, rows, metrics in (("epochs", epochs, ["score"]), ("decisions", decisions, []))
    ]
    trials = derive_trials(*tables, study, {})
    return Results(study, Tables(trials, *tables), [], "waiting", "nowhere")


def expected(curves: Curves, first: int, mode: str, at_most: float | None) -> list[tuple[str, float | None]]:
    found = []
    for index, (failed, values) in enumerate(curves, start=first):
        losses = [(-value if mode == "max" else value, epoch) for epoch, value in enumerate(values)]
        beyond = [0.0 if at_most is None else max(0.0, (value - at_most) / at_most) for value in values]
        kept = [(beyond[epoch], loss, epoch) for loss, epoch in losses if math.isfinite(loss)]
        best = min(kept, default=None)
        value = None if best is None else values[best[2]]
        found.append(((failed, best is None, best or (0.0, 0.0, 0), index), f"{index:04d}", value))
    return [(trial, value) for _, trial, value in sorted(found, key=lambda each: each[0])]


class Checkpointed:
    def __init__(self, trials: Sequence[Trial]) -> None:
        self.paths = [layout.checkpoint(trial.trial_id, 1) for trial in trials]

    def files(self, _folder: str) -> Sequence[str]:
        return self.paths

    def delete_all(self, _paths: Sequence[str], _check: object) -> None:
        """Do nothing, because the pruner keeps its own record."""


def with_checkpoints(trials: Sequence[Trial], objective: Objective, top: int) -> set[str]:
    job = tune_job("ranks", space={"a": Choice((1, 2))}, objectives=(objective,), checkpoints=Checkpoints(top=top))
    engine = Engine(job, lambda _: None, lambda: 0.0)
    engine.trials.update({trial.trial_id: trial for trial in trials})
    pruner = Pruner(Checkpointed(trials), job, engine.scheduler, engine.trials, lambda: None)  # type: ignore[arg-type]
    engine.on_listing(pruner.list_storage())
    engine.written((), deleted=pruner.prune(engine.trials))
    return {trial.trial_id for trial in trials if trial.checkpoints}


def check(curves: Curves, first: int, mode: Any, at_most: float | None = None) -> None:
    order, results = expected(curves, first, mode, at_most), results_of(curves, first, mode, at_most)
    ids = [trial for trial, _ in order]
    failed = {f"{index:04d}" for index, (fails, _) in enumerate(curves, start=first) if fails}
    usable = [trial for trial, value in order if value is not None and trial not in failed]

    assert board(results)["trial_id"].to_pylist() == ids
    # The config of a trial is the one at its best epoch; it changes with each epoch.
    reached = [(row["best_epoch"], row["config_a"]) for row in results.tables.trials.to_pylist()]
    assert all(a == (None if epoch is None else 2 - epoch % 2) for epoch, a in reached)
    assert results.query("select trial_id from ranked order by place")["trial_id"].to_pylist() == ids
    assert [line["trial_id"] for line in leaderboard(results).rows] == ids
    assert select_trials(results) == ids
    assert (results.best.trial_id if results.best else None) == (usable[0] if usable else None)
    assert list(best_quarter(scored(results))[TRIAL]) == usable[: max(1, len(usable) // 4)]
    assert [point["trial_id"] for point in pareto_front(results)] == [
        trial
        for trial, value in order
        if trial in usable and value == dict(order)[usable[0]] and (at_most is None or value <= at_most)
    ]

    shown = results._repr_html_()
    assert re.findall(r"<t[dh]>(\d{4,})</t[dh]>", shown) == ids[:10]

    objective, trials = Objective("score", mode, at_most=at_most), []
    for index, (fails, values) in enumerate(curves, start=first):
        trials.append(Trial(f"{index:04d}", {}, state="failed" if fails else "completed"))
        Incumbent([objective]).record(trials[-1], [row(epoch, value) for epoch, value in enumerate(values, start=1)])
    assert [trial.trial_id for trial in sorted(trials, key=lambda trial: rank(trial, objective))] == ids
    for most in {1, len(ids) // 2} - {0}:
        assert with_checkpoints(trials, objective, most) == set(ids[:most])
    incumbent = Incumbent([objective])
    incumbent.reconsider(reversed(trials))
    assert (incumbent.best.trial_id if incumbent.best else None) == (usable[0] if usable else None)


@given(
    curves=CURVES,
    first=st.sampled_from([0, 9_995, 99_995]),
    mode=st.sampled_from(["max", "min"]),
    at_most=st.sampled_from([None, 0.25]),
)
def test_every_order_of_trials_is_the_same(curves: Curves, first: int, mode: str, at_most: float | None) -> None:
    check(curves, first, mode, at_most)


@pytest.mark.long
@pytest.mark.parametrize("mode", ["max", "min"])
def test_ten_thousand_trials_are_in_the_order_of_their_numbers(mode: str) -> None:
    rng = np.random.default_rng(0)
    choices = np.array([0.25, 0.5, math.nan])
    curves = [(bool(rng.random() < 0.1), rng.choice(choices, rng.integers(0, 3)).tolist()) for _ in range(10_050)]
    check(curves, 0, mode)
