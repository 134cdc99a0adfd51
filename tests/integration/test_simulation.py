"""A real study and its simulation: the simulation repeats its decisions over the recorded curves."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, LogUniform, Objective, TuneJob, Uniform, load_results, run
from pipeline.simulation.recorded_curves import RecordedCurves
from pipeline.simulation.simulator import simulate


def learn(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A loss that falls at the config's speed to the config's height: curves cross."""
    epoch = 0
    while True:
        epoch += 1
        yield {"loss": config["height"] + (1 + config["speed"] * epoch) ** -1.0}


@pytest.mark.parametrize("kind", ["asha", "promoting-asha", "halving", "hyperband", "median"])
def test_one_worker_decides_as_it_did(kind, tmp_path):
    """The simulation of a study repeats every decision with its reason, in the same order, and the best value."""
    job = TuneJob(
        name="learned",
        function=learn,
        space={"height": Uniform(0, 1), "speed": LogUniform(0.1, 10)},
        objectives=[Objective("loss", "min")],
        scheduler=kind,
        budget=Budget(trials=20, epochs=16),
    ).replaced({"resources.workers": 0})
    run(job, storage=tmp_path)
    results = load_results(tmp_path / "learned")
    rows = []
    done = simulate(job, RecordedCurves(results, job, seconds_per_epoch=0.0, seconds_per_start=0.0), 1, rows.append)
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
