"""When a worker reports, and when a study ends before all its trials are drawn."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.engine import Engine
from pipeline.engine.limits import EpochOutcome, ReportInterval, common_failure, exhausted_budget
from pipeline.engine.messages import Report
from pipeline.engine.trial import BestEpoch, Trial
from pipeline.execution.worker.worker import Worker
from pipeline.schedulers import ASHA, PBT
from pipeline.simulation.simulator import simulate
from pipeline.space import Grid
from pipeline.storage import Store
from pipeline.study import Budget, Objective
from tests.simulation_inputs import Written
from tests.unit.engine.play import job, row

_CURVES = {
    "fast": [0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.85],
    "slow": [0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7],
    "flat": [0.2] * 9,
}


def _learn(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for value in _CURVES[config["curve"]]:
        yield {"score": value}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scheduler": ASHA(grace_period=2, reduction_factor=2)},
        {"scheduler": "median"},
        {"budget": Budget(trials=3, epochs=9, target=0.75)},
        {"budget": Budget(trials=3, epochs=9, total_epochs=14)},
    ],
    ids=["fifo", "asha", "median", "target", "total-epochs"],
)
def test_a_simulated_worker_reports_when_a_real_one_does(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned = {"function": _learn, "model": None, "data": None, "space": {"curve": Grid(list(_CURVES))}}
    tuned = job(**learned, searcher="grid", **{"budget": Budget(trials=3, epochs=9), **fields})
    reports: list[tuple[str, list[int], bool]] = []
    on_report = Engine.on_report

    def record(engine: Engine, trial_id: str, report: Report) -> Any:
        reports.append((trial_id, [row["epoch"] for row in report.rows], report.last))
        return on_report(engine, trial_id, report)

    monkeypatch.setattr(Engine, "on_report", record)
    engine = Engine(tuned, lambda _: None, lambda: 0.0)
    worker = Worker(tuned, None, Store(tmp_path), session=1, capture=False)
    while (trial := engine.next()) is not None:
        worker.begin(engine.assignment(trial))
        while engine.on_report(trial.trial_id, worker.step()) == "continue":
            pass
        worker.close()
    real = reports.copy()
    reports.clear()
    simulate(tuned, Written(lambda index, _: list(_CURVES.values())[index], seconds=0.01), workers=1)
    assert reports == real


@pytest.mark.parametrize(("scheduler", "checkpoint"), [(PBT(interval=3), True), (ASHA(grace_period=3), False)])
def test_a_milestone_is_due_and_leaves_a_checkpoint_where_the_scheduler_needs_it(scheduler, checkpoint) -> None:
    interval = ReportInterval(job(scheduler=scheduler), 0, first=False)
    assert interval.after(row(3, 0.1), seconds=0.0) == EpochOutcome(last=False, due=True, checkpoint=checkpoint)
    assert not interval.after(row(2, 0.1), seconds=0.0).due


@pytest.mark.parametrize(("epoch", "seconds", "options", "budget", "due", "last"), [
    (1, 0.0, {"first": True}, {}, True, False),
    (1, 1.9, {}, {}, False, False),
    (1, 2.0, {}, {}, True, False),
    (1, 2.9, {"workers": 300}, {}, False, False),
    (1, 3.0, {"workers": 300}, {}, True, False),
    (1, 0.0, {}, {"total_epochs": 9}, True, False),
    (4, 0.0, {}, {}, True, True),
])  # fmt: skip
def test_a_report_is_due_at_first_after_some_seconds_and_where_every_epoch_counts(
    epoch: int, seconds: float, options: dict[str, Any], budget: dict[str, Any], due: bool, last: bool
) -> None:
    interval = ReportInterval(job(budget=Budget(epochs=4, **budget)), 0, **{"first": False, **options})
    found = interval.after(row(epoch, 0.1), seconds=seconds)
    assert (found.due, found.last, found.checkpoint) == (due, last, last)


def test_an_epoch_beyond_the_bounds_reaches_no_target() -> None:
    objectives = [Objective("score", "max"), Objective("cost", "min", at_most=2.0)]
    interval = ReportInterval(job(objectives=objectives, budget=Budget(epochs=9, target=0.9)), 0, first=False)
    assert interval.after(row(1, 0.9, cost=2.0), seconds=0.0).last
    assert not interval.after(row(1, 0.9, cost=2.1), seconds=0.0).last


@pytest.mark.parametrize(("budget", "mode", "reached", "words"), [
    ({"seconds": 10}, "max", {"seconds": 9.9}, None),
    ({"seconds": 10}, "max", {"seconds": 10.0}, "The study's budget of 10 s is spent."),
    ({"total_epochs": 20}, "max", {"epochs": 19}, None),
    ({"total_epochs": 20}, "max", {"epochs": 20}, "The study's budget of 20 epochs is spent."),
    ({"target": 0.5}, "max", {"best": 0.4}, None),
    ({"target": 0.5}, "max", {"best": 0.5}, "The target of 0.5 is reached: 0.5."),
    ({"target": 0.5}, "min", {"best": 0.25}, "The target of 0.5 is reached: 0.25."),
])  # fmt: skip
def test_a_limit_is_named_when_it_is_reached(
    budget: dict[str, Any], mode: Any, reached: dict[str, Any], words: str | None
) -> None:
    tuned = job(budget=Budget(**budget), objectives=[Objective("score", mode)])
    value = reached.get("best")
    best = None if value is None else BestEpoch(value, 1)
    assert exhausted_budget(tuned, **{"seconds": 0.0, "epochs": 0, **reached, "best": best}) == words


def test_a_trial_beyond_the_bounds_reaches_no_target() -> None:
    tuned = job(budget=Budget(target=0.5))
    best = BestEpoch(0.9, 1, violation=0.1)
    assert exhausted_budget(tuned, seconds=0.0, epochs=1, best=best) is None


def _trials(*ends: str) -> list[Trial]:
    found = []
    for number, end in enumerate(ends):
        trial = Trial(f"{number:04d}", {"x": 0.5}, state="running", epoch=int(end == "+" or end.isupper()))
        if end.isalpha():
            trial.state, trial.error = "failed", f"ValueError: {end.lower()}"
        found.append(trial)
    return found


@pytest.mark.parametrize(
    ("ends", "fails"),
    [
        ("aa", False), ("aaa", True), ("aab", False), ("a-a", False), ("aaa-", True), ("aaa+", False),
        ("aaaB", False), ("aaaA", True), ("+aaa", False),
    ],
)  # fmt: skip
def test_the_first_trials_with_the_same_error_end_a_study(ends: str, fails: bool) -> None:
    words = "The first 3 trials failed with the same error: ValueError: a" if fails else None
    trials = _trials(*ends)
    assert common_failure(job(), trials) == words
    for trial in trials:
        trial.error = "TrialPruned: an objective of Optuna gives the config up"
    assert common_failure(job(), trials) is None
