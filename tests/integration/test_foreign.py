"""Schedulers and searchers of Ray Tune in real studies on Ray."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run

ASHA = "ray.tune.schedulers.ASHAScheduler"

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.long]


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A larger x is better from the first epoch on."""
    for step in range(1, 100):
        yield {"score": config["x"] * step}


def test_a_study_ends_under_a_ray_scheduler(tmp_path):
    """Under a Ray scheduler with two workers the budget is kept, trials stop, and each decision names its origin."""
    job = TuneJob(
        name="theirs",
        function=rising,
        space={"x": Uniform(0, 1)},
        objectives=Objective("score", "max"),
        scheduler={"kind": ASHA, "grace_period": 1, "reduction_factor": 2},
        searcher="ray.tune.search.optuna.OptunaSearch",
        start_with=[{"x": 0.25}, {"x": 0.5}],
        budget=Budget(trials=10, epochs=6),
        resources={"workers": 2},
    )
    run(job, storage=tmp_path)
    results = load_results(tmp_path / "theirs")
    assert results.state == "finished"
    assert len(results.trials) == 10
    assert set(results.trials["state"]) == {"completed", "stopped"}
    assert (results.trials.loc[results.trials["state"] == "completed", "epochs"] == 6).all()
    assert results.best is not None
    assert results.best.config["x"] == results.trials.loc[results.trials["state"] == "completed", "config_x"].max()
    assert results.trials["config_x"].to_list()[:2] == [0.25, 0.5]
    reasons = results.decisions.loc[results.decisions["kind"] == "stop", "reason"]
    assert set(reasons) == {f"decided by {ASHA}, which gives no reason"}
