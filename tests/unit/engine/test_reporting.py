"""The rule by which real and simulated workers report."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.engine import Engine
from pipeline.engine.messages import Report
from pipeline.engine.reporting import EpochOutcome, ReportInterval
from pipeline.execution.worker.worker import Worker
from pipeline.schedulers import ASHA, PBT
from pipeline.simulation.simulator import simulate
from pipeline.space import Grid
from pipeline.storage import Store
from pipeline.study import Budget, Objective, TuneJob
from tests.unit.engine.play import row
from tests.unit.simulation.simulation_inputs import Written

_EPOCHS = 9
_CURVES = {
    "fast": [0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.82, 0.84, 0.85],
    "slow": [0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.65, 0.7],
    "flat": [0.2] * _EPOCHS,
}


def _learn(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    for value in _CURVES[config["curve"]]:
        yield {"score": value}


def _job(**fields: Any) -> TuneJob:
    given: dict[str, Any] = {
        "name": "s",
        "function": _learn,
        "space": {"curve": Grid(list(_CURVES))},
        "objectives": [Objective("score", "max")],
        "searcher": "grid",
        "scheduler": "fifo",
        "budget": Budget(trials=3, epochs=_EPOCHS),
        **fields,
    }
    return TuneJob(**given)


def _reports_of_a_worker(job: TuneJob, store: Store) -> None:
    engine = Engine(job, lambda _: None, lambda: 0.0)
    worker = Worker(job, None, store, session=1, capture=False)
    while (trial := engine.next()) is not None:
        worker.begin(engine.assignment(trial))
        verdict = "continue"
        while verdict == "continue":
            verdict = engine.on_report(trial.trial_id, worker.step())
        worker.close()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"scheduler": ASHA(grace_period=2, reduction_factor=2)},
        {"scheduler": "median"},
        {"budget": Budget(trials=3, epochs=_EPOCHS, target=0.75)},
        {"budget": Budget(trials=3, epochs=_EPOCHS, total_epochs=14)},
    ],
    ids=["fifo", "asha", "median", "target", "total-epochs"],
)
def test_a_simulated_worker_reports_when_a_real_one_does(
    fields: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = _job(**fields)
    reports: list[tuple[str, list[int], bool]] = []
    on_report = Engine.on_report

    def record(engine: Engine, trial_id: str, report: Report) -> Any:
        reports.append((trial_id, [row["epoch"] for row in report.rows], report.last))
        return on_report(engine, trial_id, report)

    monkeypatch.setattr(Engine, "on_report", record)
    _reports_of_a_worker(job, Store(tmp_path))
    real = reports.copy()
    reports.clear()
    curves = list(_CURVES.values())
    simulate(job, Written(lambda index, _: curves[index], seconds=0.01), workers=1)
    assert reports == real


def test_a_milestone_is_due_and_leaves_a_checkpoint_where_the_scheduler_needs_it() -> None:
    pbt = ReportInterval(_job(scheduler=PBT(interval=3), function=None, model=_learn, data="digits"), 0, first=False)
    assert pbt.after(row(3, 0.1), seconds=0.0) == EpochOutcome(last=False, due=True, checkpoint=True)
    asha = ReportInterval(_job(scheduler=ASHA(grace_period=3)), 0, first=False)
    assert asha.after(row(3, 0.1), seconds=0.0) == EpochOutcome(last=False, due=True, checkpoint=False)


def test_an_epoch_beyond_the_bounds_reaches_no_target() -> None:
    objectives = [Objective("score", "max"), Objective("cost", "min", at_most=2.0)]
    interval = ReportInterval(_job(objectives=objectives, budget=Budget(epochs=9, target=0.9)), 0, first=False)
    assert interval.after(row(1, 0.9, cost=2.0), seconds=0.0).last
    assert not interval.after(row(1, 0.9, cost=2.1), seconds=0.0).last
