"""The median stopping rule."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import MedianStopping, Scheduler, SchedulerContext


def _built(settings: MedianStopping, *, epochs: int = 8, mode: str = "max") -> Scheduler:
    return settings.build(SchedulerContext({}, mode, epochs, 16, 0))


def _train(scheduler: Scheduler, trial: str, values: list[float]) -> list[str]:
    return [scheduler.on_result(trial, epoch, value).action for epoch, value in enumerate(values, 1)]


class _Trial:
    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


@given(
    trials=st.integers(2, 12),
    seed=st.integers(0, 10_000),
    grace=st.integers(1, 4),
    required=st.integers(1, 4),
    mode=st.sampled_from(["max", "min"]),
)
def test_decisions_are_those_of_ray(trials: int, seed: int, grace: int, required: int, mode: str) -> None:
    from ray.tune.schedulers import MedianStoppingRule, TrialScheduler

    epochs = 10
    ours = _built(MedianStopping(grace_period=grace, min_samples_required=required), epochs=epochs, mode=mode)
    theirs = MedianStoppingRule(
        time_attr="epoch", metric="m", mode=mode, grace_period=grace, min_samples_required=required
    )
    controller = SimpleNamespace(get_live_trials=list)
    fakes = [_Trial(f"{i:04d}") for i in range(trials)]
    for fake in fakes:
        theirs.on_trial_add(controller, fake)
    rng = np.random.default_rng(seed)
    reached = dict.fromkeys(range(trials), 0)
    while reached:
        i = int(rng.choice(list(reached)))
        reached[i] += 1
        # Sums of these have no rounding that could tell a tie apart.
        value = float(rng.integers(0, 64)) / 8
        decision = ours.on_result(fakes[i].trial_id, reached[i], value)
        if reached[i] == epochs:
            assert decision.action == "continue"
            theirs.on_trial_complete(controller, fakes[i], {"epoch": epochs, "m": value})
            del reached[i]
            continue
        expected = theirs.on_trial_result(controller, fakes[i], {"epoch": reached[i], "m": value})
        assert (decision.action == "stop") == (expected == TrialScheduler.STOP)
        if decision.action == "stop":
            del reached[i]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_no_trial_is_stopped_at_its_last_epoch(mode: str) -> None:
    sign = 1 if mode == "max" else -1
    for epochs, action in ((2, "continue"), (3, "stop")):
        scheduler = _built(MedianStopping(min_samples_required=1), epochs=epochs, mode=mode)
        _train(scheduler, "0", [sign * 0.1, sign * 0.9])
        assert _train(scheduler, "1", [sign * 0.2, sign * 0.2]) == ["continue", action]
