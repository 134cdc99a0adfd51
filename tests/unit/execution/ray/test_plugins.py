"""Schedulers and searchers of Ray Tune by their class paths; no Ray is started."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import (
    Budget,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    MedianStopping,
    Objective,
    QUniform,
    RayScheduler,
    TuneJob,
    Uniform,
    load_results,
    run,
)
from pipeline.errors import InvalidJob, UsageError
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.schedulers import Scheduler, SchedulerContext
from pipeline.space import fits
from pipeline.storage import Store
from pipeline.study import load_study
from tests.unit.execution.rising_job import rising_job

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2, "hard_stop": False}),
        (ASHA, {"grace_period": 1, "reduction_factor": 2}),
    ],
)
def test_a_study_ends_as_under_a_native_scheduler(tmp_path: Path, path: str, settings: dict[str, Any]) -> None:
    """Under a Ray scheduler every trial runs once within the budget, and each decision names its origin."""
    theirs = rising_job(space={"a": Uniform(0, 1)}, scheduler={"kind": path, **settings}, start_with=[{"a": 0.99}])
    run(theirs, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "theirs")
    assert results.state == "finished"
    assert set(results.trials["state"]) == {"completed", "stopped", "failed"} - (
        {"stopped"} if path == MEDIAN else set()
    )
    assert results.trials["epochs"].max() == 6
    reported = results.decisions[results.decisions["kind"].isin(["stop", "pause"])]["reason"]
    assert set(reported) == {f"decided by {path}, which gives no reason"}
    assert ({"pause", "resume"} <= set(results.decisions["kind"])) == (path == MEDIAN)


def test_a_study_with_a_ray_scheduler_is_not_resumed(tmp_path: Path) -> None:
    run(rising_job(scheduler=ASHA), storage=tmp_path)
    with pytest.raises(UsageError):
        run(rising_job(scheduler=ASHA, budget=Budget(trials=20, epochs=6)), storage=tmp_path, resume=True)
    assert len(load_results(tmp_path / "theirs").trials) == 12
    assert load_study(Store(tmp_path).folder("theirs")).scheduler == RayScheduler(ASHA)


def stacked(config: Mapping[str, Any]) -> dict[str, float]:
    """A function whose score is the number of layers, and which changes its config."""
    layers = config["layers"]
    if layers is not None:
        layers.append(0)
    return {"score": float(len(layers or []))}


def test_lists_go_through_rays_classes(tmp_path: Path) -> None:
    space = {"layers": Choice([None, [8], [16, 8]]), "u": Uniform(0, 1)}
    start = {"layers": [16, 8], "u": 0.5}
    study = TuneJob(
        name="lists", function=stacked, space=space, objectives=Objective("score", "max"), scheduler=MEDIAN,
        searcher=OPTUNA, start_with=[start], budget=Budget(trials=12, epochs=1),
    ).replaced({"resources.workers": 0})  # fmt: skip
    run(study, storage=tmp_path)
    results = load_results(tmp_path / "lists")
    assert results.best is not None
    assert results.best.config["layers"] == [16, 8]
    assert set(results.trials["config_layers"]) == {"null", "[8]", "[16, 8]"}
    assert list(results.trials["config_u"]).count(0.5) == 1


MISTAKES = [
    ({"scheduler": "ray.tune.schedulers.MedianStopping"}, "has no attribute"),
    ({"scheduler": "ray.tune.schedulers.nowhere.X"}, "No module"),
    ({"scheduler": "ray.tune.schedulers.create_scheduler"}, "no TrialScheduler"),
    ({"scheduler": {"kind": MEDIAN, "metric": "x"}}, "the study sets metric"),
    ({"scheduler": {"kind": MEDIAN, "gracep": 1}}, "gracep"),
    ({"scheduler": {"kind": ASHA, "grace_period": 100}}, "grace_period must be <= max_t"),
    ({"scheduler": "ray.tune.schedulers.HyperBandForBOHB"}, "use hyperband"),
    ({"scheduler": "ray.tune.schedulers.PopulationBasedTraining"}, "use pbt"),
    ({"searcher": "ray.tune.search.ConcurrencyLimiter"}, "how many trials run in parallel"),
    ({"searcher": {"kind": OPTUNA, "sampler": "tpe"}}, "AssertionError"),
]


@pytest.mark.parametrize(("fields", "reported"), MISTAKES)
def test_a_class_that_cannot_be_used_is_a_fault_before_anything_is_written(
    tmp_path: Path, fields: dict[str, Any], reported: str
) -> None:
    with pytest.raises(InvalidJob, match=reported) as refused:
        run(rising_job(**fields), storage=tmp_path, note=lambda _: None)
    assert [fault.field for fault in refused.value.faults] == list(fields)
    assert list(tmp_path.iterdir()) == []


def simulated(scheduler: Scheduler, curves: np.ndarray, next_milestone: Any) -> list[tuple[int, str]]:
    """Each curve simulated to its end, one after the other: the epoch at which it ended, and why."""
    ends = []
    for index, curve in enumerate(curves):
        trial = f"{index:04d}"
        scheduler.add(trial, {})
        scheduler.start(trial)
        for epoch, value in enumerate(curve, start=1):
            assert next_milestone(epoch - 1, len(curve)) == epoch
            action = scheduler.on_result(trial, epoch, float(value)).action
            if action == "stop":
                break
        scheduler.end(trial)
        ends.append((epoch, action))
    return ends


@pytest.mark.parametrize("mode", ["max", "min"])
def test_rays_median_rule_decides_like_the_native_rule(mode: str) -> None:
    """Ray's median rule decides like tunepipe's own on the same curves, one trial at a time."""
    curves = np.cumsum(np.random.default_rng(4).normal(0.1, 1.0, (40, 9)), axis=1)
    context = SchedulerContext({}, mode, 9, 40, 0)
    theirs = RayScheduler(MEDIAN, {"grace_period": 2, "min_samples_required": 3})
    ours = MedianStopping(grace_period=2, min_samples_required=3)
    build = ray_scheduler(rising_job(scheduler=theirs))
    found = simulated(build(context), curves, theirs.next_milestone)
    assert found == simulated(ours.build(context), curves, ours.next_milestone)
    assert {action for _, action in found} == {"stop", "continue"}


ALL_KINDS = {
    "a": Uniform(0, 1),
    "b": LogUniform(1e-3, 1.0),
    "c": IntUniform(2, 5),
    "d": IntUniform(1, 64, log=True),
    "e": QUniform(0.1, 0.9, 0.2),
    "f": Choice(["x", 2, True]),
    "g": Grid([2, 4]),
    "h": 7,
    "i": IntUniform(8, 64, step=8),
    "j": IntUniform(8, 64, log=True, step=8),
}


def test_a_searcher_draws_from_every_kind_of_domain() -> None:
    """Configs of a Ray searcher are in the space, have native types and constants, and depend on the seed."""
    theirs = rising_job(space=ALL_KINDS, searcher=OPTUNA)
    draw = ray_draw(theirs)
    configs = [draw(index, [], ()).config for index in range(40)]
    assert all(fits(ALL_KINDS, config) for config in configs)
    assert {(type(config["c"]), type(config["f"]), type(config["g"])) for config in configs} == {
        (int, kind, int) for kind in (str, int, bool)
    }
    assert {round(config["e"], 9) for config in configs} == {0.2, 0.4, 0.6, 0.8}
    again = ray_draw(theirs)
    assert [again(index, [], ()).config for index in range(40)] == configs
