"""The median stopping rule."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.schedulers import MedianStopping, SchedulerContext


@given(
    seed=st.integers(0, 10_000),
    grace=st.integers(1, 4),
    required=st.integers(1, 4),
    mode=st.sampled_from(["max", "min"]),
)
def test_a_trial_stops_below_the_median_of_the_running_means_of_others(
    seed: int, grace: int, required: int, mode: str
) -> None:
    settings, sign = MedianStopping(grace_period=grace, min_samples_required=required), 1 if mode == "max" else -1
    scheduler = settings.build(SchedulerContext({}, mode, 8, 9, 0))
    rng, curves = np.random.default_rng(seed), dict[int, list[float]]()
    live = list(range(9))
    while live:
        trial = int(rng.choice(live))
        curve = curves.setdefault(trial, [])
        # Sums of these have no rounding that could tell a tie apart.
        curve.append(float(rng.integers(0, 64)) / 8)
        epoch = len(curve)
        others = [each[grace - 1 : epoch] for n, each in curves.items() if n != trial and len(each) >= epoch]
        compared = grace <= epoch < 8 and len(others) >= required
        median = np.median([np.mean(each) for each in others]) if compared else np.nan
        stops = compared and max(curve) < median
        decision = scheduler.on_result(f"{trial:04d}", epoch, sign * curve[-1])
        assert decision.action == ("stop" if stops else "continue")
        assert decision.cutoff == (pytest.approx(sign * median) if compared else None)
        if stops or epoch == 8:
            live.remove(trial)
