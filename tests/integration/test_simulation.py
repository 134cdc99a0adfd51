"""Real studies in one process, and simulations over their curves: one worker repeats the decisions."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline import Budget, LogUniform, Objective, TuneJob, Uniform, load_results, run
from pipeline.simulation.curves import RecordedCurves
from pipeline.simulation.simulator import simulate
from tests.cases import cases
from tests.recorded_studies import Recording, tune_job


def learn(config: Mapping[str, Any], state: int | None) -> Iterator[tuple[dict[str, float], int]]:
    epoch = state or 0
    while True:
        epoch += 1
        if config["height"] > 0.95:
            raise ValueError("too high")
        yield {"loss": config["height"] + (1 + config["speed"] * epoch) ** -1.0}, epoch


def _job(kind: Any, **fields: Any) -> TuneJob:
    given: dict[str, Any] = {
        "name": "learned",
        "function": learn,
        "space": {"height": Uniform(0, 0.94), "speed": LogUniform(0.1, 10)},
        "objectives": [Objective("loss", "min")],
        "scheduler": kind,
        "budget": Budget(trials=20, epochs=16),
        **fields,
    }
    return TuneJob(**given).replaced({"resources.workers": 0})


def test_a_recorded_curve_ends_before_its_first_value_that_is_not_finite(tmp_path: Path) -> None:
    study = Recording(tmp_path, job := tune_job("gaps", space={"lr": Uniform(0, 1)}))
    for epoch, value in enumerate((0.1, 0.2, math.nan, 0.4), 1):
        study.train("0000", epoch, {"lr": 0.1}, value, epoch)
    study.end(9.0)
    assert _curves(load_results(study.store.uri), job).curve(0, 1, {"lr": 0.1}).known == 2


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("recorded")
    run(_job("asha", space={"height": Uniform(0, 1), "speed": LogUniform(0.1, 10)}), storage=folder)
    return load_results(folder / "learned")


def _curves(results: Any, job: TuneJob, epoch: float | None = None) -> RecordedCurves:
    return RecordedCurves(results, job, seconds_per_epoch=epoch, seconds_per_start=epoch)


@pytest.mark.parametrize("kind", cases(("asha", "promoting-asha", "hyperband", "median"), ("promoting-asha",)))
def test_one_worker_decides_as_it_did(kind: str, tmp_path: Path) -> None:
    job = _job(kind)
    run(job, storage=tmp_path)
    results = load_results(tmp_path / "learned")
    rows: list[Any] = []
    done = simulate(job, _curves(results, job, 0.0), 1, rows.append)
    recorded = results.decisions.sort_values("number")
    assert [(row.trial_id, row.epoch, row.kind, row.reason) for row in rows] == list(
        recorded[["trial_id", "epoch", "kind", "reason"]].itertuples(index=False, name=None)
    )
    assert {trial.trial_id: (trial.state, trial.epoch) for trial in done.trials} == {
        row["trial_id"]: (row["state"], row["epochs"]) for _, row in results.trials.iterrows()
    }
    assert len(set(results.trials["epochs"])) > 1
    assert done.extended == 0
    assert done.best == results.best.value


def test_a_recorded_config_learns_as_it_did_and_short_curves_are_extended(recorded: Any) -> None:
    curves = _curves(recorded, job := _job("fifo", space={"height": Uniform(0, 1), "speed": LogUniform(0.1, 10)}))
    for trial in recorded.trials.to_dict("records"):
        config = {"height": trial["config_height"], "speed": trial["config_speed"]}
        number, rows = int(trial["trial_id"]), recorded.epochs[recorded.epochs["trial_id"] == trial["trial_id"]]
        curve = curves.curve(number, 1, config)
        near = curves.curve(700, 1, {**config, "speed": config["speed"] * (1 + 1e-9)})
        assert near == curve
        assert list(curve.values[: curve.known]) == rows["loss"].tolist()
        if trial["state"] == "failed":
            assert "too high" in curve.failure
            continue
        assert (curve.known, len(curve.values)) == (trial["epochs"], 16)
        assert min(curve.values) >= recorded.best.value
        assert len(set(curve.seconds[curve.known :])) <= 1
    done = simulate(job, curves, 3)
    assert (len(done.trials), done.extended > 0) == (20, True)
    assert done.best == recorded.best.value
    assert set(_curves(recorded, job, 20.0).curve(0, 1, {"height": 0.5, "speed": 1.0}).seconds) == {20.0}
