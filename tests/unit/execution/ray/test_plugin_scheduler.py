"""Schedulers of Ray Tune as schedulers of tunepipe; no Ray is started."""

from typing import Any

import numpy as np
import pytest

from pipeline import (
    MedianStopping,
    RayScheduler,
)
from pipeline.execution.ray.plugin_scheduler import PluginScheduler
from pipeline.schedulers import Scheduler, SchedulerContext

MEDIAN = "ray.tune.schedulers.MedianStoppingRule"


ASHA = "ray.tune.schedulers.ASHAScheduler"


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
    found = simulated(PluginScheduler(theirs, context), curves, theirs.next_milestone)
    assert found == simulated(ours.build(context), curves, ours.next_milestone)
    assert {action for _, action in found} == {"stop", "continue"}


def test_a_repeated_report_is_not_passed_on() -> None:
    """Epochs that a trial reports again after a lost worker are not passed to the scheduler a second time."""
    scheduler = PluginScheduler(RayScheduler(ASHA), SchedulerContext({}, "max", 6, 3, 0))
    for trial, value in (("0000", 0.9), ("0001", 0.1)):
        scheduler.add(trial, {})
        scheduler.start(trial)
        decision = scheduler.on_result(trial, 1, value)
    assert decision.action == "stop"
    assert decision.reason == f"decided by {ASHA}, which gives no reason"
    assert scheduler.on_result("0000", 1, 0.0).action == "continue"
    scheduler.end("0001")
    scheduler.end("0000")
