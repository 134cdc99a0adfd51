"""Schedulers and searchers of Ray Tune by their class paths; no Ray is started."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline import Choice, Grid, IntUniform, LogUniform, MedianStopping, QUniform, Uniform, load_results, run
from pipeline.errors import Interrupted, InvalidJob, UsageError
from pipeline.execution.ray.plugins import ray_draw, ray_scheduler
from pipeline.schedulers import RayScheduler, Scheduler, SchedulerContext
from pipeline.space import fits
from tests.rising_job import rising_job

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"
ASHA = "ray.tune.schedulers.ASHAScheduler"
OPTUNA = "ray.tune.search.optuna.OptunaSearch"


def stacked(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """A function whose score grows with the number of layers, and which changes its config."""
    layers = config["layers"]
    if layers is not None:
        layers.append(0)
    for step in range(1, 9):
        yield {"score": float(10 * len(layers or []) + step * config["u"])}


@pytest.mark.parametrize(
    ("path", "settings"),
    [
        (MEDIAN, {"grace_period": 1, "min_samples_required": 2}),
        (ASHA, {"grace_period": 1, "reduction_factor": 2}),
    ],
)
def test_a_study_ends_within_its_budget_and_is_not_resumed(tmp_path: Path, path: str, settings: Any) -> None:
    space = {"layers": Choice([None, [8], [16, 8]]), "u": Uniform(0, 1)}
    start = {"layers": [16, 8], "u": 0.5}
    theirs = rising_job(
        function=stacked, space=space, scheduler={"kind": path, **settings}, searcher=OPTUNA, start_with=[start]
    )
    run(theirs, storage=tmp_path, note=lambda _: None)
    results = load_results(tmp_path / "theirs")
    assert (results.state, len(results.trials), results.trials["epochs"].max()) == ("ended", 12, 6)
    assert results.best is not None
    assert results.best.config["layers"] == [16, 8]
    assert list(results.trials["config_u"]).count(0.5) == 1
    decisions = results.decisions[results.decisions["kind"] == "stop"]
    assert set(decisions["reason"]) == {f"decided by {path}, which gives no reason"}
    with pytest.raises(UsageError):
        run(theirs.replaced({"budget.trials": 20}), storage=tmp_path, resume=True)


def test_a_class_that_pauses_trials_is_refused(tmp_path: Path) -> None:
    settings = {"grace_period": 1, "min_samples_required": 1, "hard_stop": False}
    with pytest.raises(InvalidJob, match="promoting-asha pauses") as refused:
        run(
            rising_job(function=stacked, space={"layers": [8], "u": Grid([1.0, 0.5])}, searcher="grid",
                       scheduler={"kind": MEDIAN, **settings}), storage=tmp_path, note=lambda _: None,
        )  # fmt: skip
    assert [fault.field for fault in refused.value.faults] == ["scheduler"]


def interrupted(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    yield {"score": 1.0}
    raise KeyboardInterrupt


@pytest.mark.parametrize(("scheduler", "resumes"), [(ASHA, False), ("asha", True)])
def test_the_end_by_a_signal_advises_a_resume_only_if_there_is_one(tmp_path: Path, scheduler: str, resumes: bool):
    with pytest.raises(Interrupted, match="Its tables are complete") as ended:
        run(rising_job(function=interrupted, scheduler=scheduler), storage=tmp_path, note=lambda _: None)
    assert ("tunepipe resume" in str(ended.value)) == resumes


MISTAKES = [
    ({"scheduler": "ray.tune.schedulers.MedianStopping"}, "has no attribute"),
    ({"scheduler": "ray.tune.schedulers.create_scheduler"}, "no TrialScheduler"),
    ({"scheduler": {"kind": MEDIAN, "metric": "x"}}, "metric"),
    ({"scheduler": {"kind": ASHA, "grace_period": 100}}, "grace_period must be <= max_t"),
    ({"scheduler": "ray.tune.schedulers.HyperBandForBOHB"}, "tunepipe's own"),
    ({"searcher": "ray.tune.search.ConcurrencyLimiter"}, "tunepipe's own"),
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


def simulated(scheduler: Scheduler, curves: np.ndarray) -> list[tuple[int, str]]:
    """Each curve simulated to its end, one after the other: the epoch at which it ended, and why."""
    ends = []
    for index, curve in enumerate(curves):
        trial = f"{index:04d}"
        scheduler.add(trial, {})
        scheduler.start(trial)
        for epoch, value in enumerate(curve, start=1):
            action = scheduler.on_result(trial, epoch, float(value)).action
            if action == "stop":
                break
        scheduler.end(trial)
        ends.append((epoch, action))
    return ends


@pytest.mark.parametrize("mode", ["max", "min"])
def test_rays_median_rule_decides_like_the_native_rule(mode: Any) -> None:
    curves = np.cumsum(np.random.default_rng(4).normal(0.1, 1.0, (40, 9)), axis=1)
    context = SchedulerContext({}, mode, 9, 40, 0)
    build = ray_scheduler(rising_job(scheduler=RayScheduler(MEDIAN, {"grace_period": 2, "min_samples_required": 3})))
    found = simulated(build(context), curves)
    assert found == simulated(MedianStopping(grace_period=2, min_samples_required=3).build(context), curves)
    assert {action for _, action in found} == {"stop", "continue"}


ALL_KINDS = {
    "a": Uniform(0, 1),
    "b": LogUniform(1e-3, 1.0),
    "c": IntUniform(2, 5),
    "e": QUniform(0.1, 0.9, 0.2),
    "f": Choice(["x", 2, True]),
    "g": Grid([2, 4]),
    "h": 7,
    "j": IntUniform(8, 64, log=True, step=8),
}


def test_a_searcher_draws_from_every_kind_of_domain() -> None:
    theirs = rising_job(space=ALL_KINDS, searcher=OPTUNA)
    draw, again = ray_draw(theirs), ray_draw(theirs)
    configs = [draw(index, [], ()).config for index in range(40)]
    assert all(fits(ALL_KINDS, config) for config in configs)
    assert {(type(config["c"]), type(config["f"]), type(config["g"])) for config in configs} == {
        (int, kind, int) for kind in (str, int, bool)
    }
    assert {round(config["e"], 9) for config in configs} == {0.2, 0.4, 0.6, 0.8}
    assert [again(index, [], ()).config for index in range(40)] == configs
