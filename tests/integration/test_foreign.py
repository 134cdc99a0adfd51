"""Schedulers and searchers of Ray Tune in real studies on Ray."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from pipeline import Budget, Objective, TuneJob, Uniform, load_results, run

pytestmark = [pytest.mark.usefixtures("ray_cluster"), pytest.mark.long]


def rising(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A larger x is better from the first epoch on."""
    for step in range(1, 100):
        yield {"score": config["x"] * step}


@pytest.mark.parametrize(
    "scheduler",
    [
        {"kind": "ray.tune.schedulers.ASHAScheduler", "grace_period": 1, "reduction_factor": 2},
        pytest.param(
            {"kind": "ray.tune.schedulers.MedianStoppingRule", "grace_period": 1, "min_samples_required": 2},
            marks=pytest.mark.long,
        ),
    ],
)
def test_a_study_ends_under_a_ray_scheduler(tmp_path, scheduler):
    """Under a Ray scheduler with two workers the budget is kept, trials stop, and each decision names its origin."""
    job = TuneJob(
        name="theirs",
        function=rising,
        space={"x": Uniform(0, 1)},
        objectives=Objective("score", "max"),
        scheduler=scheduler,
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
    assert set(reasons) == {f"decided by {scheduler['kind']}, which gives no reason"}
