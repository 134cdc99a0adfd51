"""Asynchronous successive halving."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import ASHA, AnyScheduler, Scheduler, SchedulerContext


def _built(settings: ASHA, mode: Any = "max", epochs: int = 8) -> Scheduler:
    return settings.build(SchedulerContext({}, mode, epochs, 16, 0))


def _milestones(settings: ASHA, epochs: int) -> list[int]:
    found = [0]
    while found[-1] < epochs:
        found.append(settings.next_milestone(found[-1], epochs))
    return found[1:]


def test_the_best_half_continues() -> None:
    """In ASHA, one of the first trials at a rung continues if it reaches the median of those before it."""
    scheduler = _built(ASHA())
    actions = [scheduler.on_result(f"{i}", 1, v).action for i, v in enumerate([0.5, 0.4, 0.6, 0.5, 0.49, 0.7])]
    assert actions == ["continue", "stop", "continue", "continue", "stop", "continue"]


def test_a_decision_names_what_was_compared() -> None:
    """The reason of a decision has the value, the cutoff, the rung and the number of earlier trials there."""
    scheduler = _built(ASHA(grace_period=2))
    first = scheduler.on_result("0", 2, 0.5)
    stop = scheduler.on_result("1", 2, 0.25)
    assert (first.reason, first.cutoff, first.rung) == ("0.5 is the first value at rung 2", None, 2)
    assert stop.reason == "0.25 is below 0.5, the cutoff for the best 1/2 of one earlier value at rung 2"
    assert (stop.action, stop.cutoff, stop.rung) == ("stop", 0.5, 2)
    assert "reaches 0.375, the cutoff for the best 1/2 of 2 earlier values" in scheduler.on_result("2", 2, 0.4).reason
    assert _built(ASHA(), "min").on_result("0", 8, 0.5).action == "continue"


@given(
    values=st.lists(st.floats(-10, 10), min_size=2, max_size=30),
    mode=st.sampled_from(["max", "min"]),
    factor=st.sampled_from([2, 3, 4, 1.5, 2.5]),
    grace_period=st.integers(1, 3),
    epochs=st.integers(3, 30),
    seed=st.integers(0, 100),
)
def test_decisions_are_those_of_ray(
    values: list[float], mode: str, factor: float, grace_period: int, epochs: int, seed: int
) -> None:
    """On the same curves in the same order, Ray's AsyncHyperBandScheduler stops the same trials."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, TrialScheduler

    settings = ASHA(grace_period=grace_period, reduction_factor=factor)
    ours = _built(settings, mode, epochs)
    theirs = AsyncHyperBandScheduler(
        time_attr="epoch", metric="m", mode=mode, max_t=epochs, grace_period=grace_period, reduction_factor=factor
    )
    rng = np.random.default_rng(seed)
    trials = [SimpleNamespace(trial_id=f"{i:04d}") for i in range(len(values))]
    reached = dict.fromkeys(range(len(values)), 0)
    for trial in trials:
        theirs.on_trial_add(None, trial)
    while reached:
        i = int(rng.choice(list(reached)))
        reached[i] = epoch = settings.next_milestone(reached[i], epochs)
        value = values[i] + math.log(epoch)
        if epoch == epochs:
            assert ours.on_result(trials[i].trial_id, epoch, value).action == "continue"
            theirs.on_trial_complete(None, trials[i], {"epoch": epoch, "m": value})
            del reached[i]
            continue
        decision = ours.on_result(trials[i].trial_id, epoch, value)
        expected = theirs.on_trial_result(None, trials[i], {"epoch": epoch, "m": value})
        assert (decision.action == "stop") == (expected == TrialScheduler.STOP)
        if decision.action == "stop":
            del reached[i]


@pytest.mark.parametrize(
    "fields",
    [
        {"grace_period": 0},
        {"grace_period": 1.0},
        {"grace_period": True},
        {"reduction_factor": 1},
        {"reduction_factor": math.inf},
        {"reduction_factor": "2"},
        {"other": 1},
    ],
)
def test_fields_have_ranges(fields: dict[str, object]) -> None:
    """A setting outside of its range is refused when the job is created."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": "asha", **fields})


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    st.floats(1.01, 9.0),
    st.sampled_from(["max", "min"]),
)
def test_the_cutoff_is_numpys_percentile(values, factor, mode):
    """The cutoff equals NumPy's percentile to the last digit."""
    scheduler = _built(ASHA(reduction_factor=factor), mode)
    for number, value in enumerate(values):
        scheduler.on_result(f"{number:04d}", 1, value)
    sign = 1 if mode == "max" else -1
    expected = sign * np.nanpercentile(sign * np.array(values), (1 - 1 / factor) * 100)
    assert scheduler.on_result("9999", 1, 0.0).cutoff == expected
