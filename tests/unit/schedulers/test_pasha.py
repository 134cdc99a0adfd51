"""Progressive successive halving."""

import math
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.schedulers import PASHA, AnyScheduler, PromotingASHA, Scheduler, SchedulerContext
from tests.unit.schedulers.learning_curves import Curve, curves, negative, simulated


def _built(settings: PASHA, trials: int, *, epochs: int = 8) -> Scheduler:
    scheduler = settings.build(SchedulerContext({}, "max", epochs, trials, 0))
    for i in range(trials):
        scheduler.add(f"{i}", {})
    return scheduler


def _noise(found: Sequence[Curve], reached: dict[int, int], below: int) -> float:
    """As the authors' code has it: pairs beyond a rung that swapped and swapped back before their newest epoch."""
    distances = []
    for one, other in combinations(sorted(reached), 2):
        newest = min(reached[one], reached[other])
        if newest <= below:
            continue
        now = found[one](newest) > found[other](newest)
        opposite = back = False
        for epoch in range(newest - 1, 0, -1):
            then = found[one](epoch) > found[other](epoch)
            opposite = opposite or then != now
            back = back or (opposite and then == now)
        if back:
            distances.append(abs(found[one](newest) - found[other](newest)))
    return float(np.percentile(distances, 90)) if distances else 0.0


def _reference(found: Sequence[Curve], rungs: Sequence[int], eta: float, epsilon: float | None) -> dict[str, int]:
    """Algorithm 1 of the paper on one worker: how far each trial comes."""
    done: list[dict[int, float]] = [{} for _ in rungs]
    promoted: list[set[int]] = [set() for _ in rungs]
    reached: dict[int, int] = {}
    top, drawn = 1, 0
    while True:
        job = None
        for k in reversed(range(top)):
            best = sorted(done[k], key=lambda t: -done[k][t])[: math.floor(len(done[k]) / eta)]
            job = next(((t, k + 1) for t in best if t not in promoted[k]), None)
            if job is not None:
                promoted[k].add(job[0])
                break
        if job is None and drawn < len(found):
            job, drawn = (drawn, 0), drawn + 1
        if job is None:
            return {f"{trial:04d}": epochs for trial, epochs in reached.items()}
        trial, k = job
        reached[trial] = rungs[k]
        done[k][trial] = found[trial](rungs[k])
        if k == top and top < len(rungs) - 1:
            allowed = _noise(found, reached, rungs[k - 1]) if epsilon is None else epsilon
            above = sorted(done[k], key=lambda t: -done[k][t])
            below = sorted(done[k], key=lambda t: -done[k - 1][t])
            soft = [{t for t in below if abs(done[k - 1][t] - done[k - 1][at]) <= allowed} for at in below]
            if any(t not in group for t, group in zip(above, soft, strict=True)):
                top += 1


@given(
    trials=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    eta=st.sampled_from([2, 3]),
    top=st.integers(1, 4),
    epsilon=st.sampled_from([None, 0.0, 0.01, 0.1]),
    noise=st.sampled_from([0.0, 0.02, 0.2]),
    mode=st.sampled_from(["max", "min"]),
)
def test_grows_as_the_paper_does(
    trials: int, seed: int, eta: int, top: int, epsilon: float | None, noise: float, mode: str
) -> None:
    """On one worker each trial trains as many epochs as in the paper's algorithm, for given and estimated epsilon."""
    found = curves(trials, seed, noise=noise)
    settings = PASHA(reduction_factor=eta, epsilon=epsilon)
    reached, _ = simulated(settings, found if mode == "max" else negative(found), eta**top, mode)
    assert reached == _reference(found, [eta**k for k in range(top + 1)], eta, epsilon)


def test_a_stable_order_needs_no_higher_rung() -> None:
    """If curves keep their order, PASHA trains to the second rung alone, and promoting ASHA trains one to its end."""
    found: list[Curve] = [lambda e, i=i: 0.1 * i + 0.01 * e for i in range(16)]
    assert max(simulated(PASHA(), found, 16)[0].values()) == 2
    assert max(simulated(PromotingASHA(), found, 16)[0].values()) == 16


def test_the_reason_names_what_opened_a_rung() -> None:
    """The reason for an open rung names the trial that changed rank and by how much, or says that none did."""
    scheduler = _built(PASHA(epsilon=0.1), 8)
    for i, value in enumerate((0.5, 0.4, 0.3, 0.2, 0.1, 0.05)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    waiting = [f"{i}" for i in range(6)]
    reported = []
    for value in (0.6, 0.7, 0.8):
        trial = scheduler.choose(waiting).trial_id
        waiting.remove(trial)
        scheduler.start(trial)
        reported.append(scheduler.on_result(trial, 2, value).reason)
    assert reported == [
        "0.6 is number 1 of 1 at rung 2, the topmost now; rung 1 ranks them the same, within 0.1",
        "0.7 is number 1 of 2 at rung 2, the topmost now; rung 1 ranks them the same, within 0.1",
        "0.8 is number 1 of 3 at rung 2, the topmost now; trial 2 has another rank than at rung 1, by more than 0.1: "
        "rung 4 is opened",
    ]


def test_a_trial_at_the_top_rung_has_that_reason() -> None:
    """The reason of a trial stopped at the top rung says that more epochs would not change the ranking."""
    scheduler = _built(PASHA(epsilon=0.1), 2)
    for i, value in enumerate((0.5, 0.4)):
        scheduler.start(f"{i}")
        scheduler.on_result(f"{i}", 1, value)
    scheduler.start(scheduler.choose(["0", "1"]).trial_id)
    scheduler.on_result("0", 2, 0.6)
    assert scheduler.choose(["0", "1"]) is None
    left = scheduler.trials_to_stop(["0", "1"], exhausted=True)
    assert left["0"].reason == (
        "0.6 is number 1 of 1 at rung 2, the topmost; more epochs would not change which trial is best"
    )


def test_the_newest_trials_show_the_noise() -> None:
    """The noise is that of the newest 200 trials beyond the rung: a pair before them that swapped does not count."""
    scheduler = _built(PASHA(grace_period=4), 202, epochs=64)
    reasons = []
    for i, curve in enumerate([(0.5, 0.5, 0.5), (0.4, 0.6, 0.4), *[(float(i),) * 3 for i in range(1, 201)]]):
        scheduler.start(f"{i}")
        for epoch, value in zip((4, 6, 8), curve, strict=True):
            reason = scheduler.on_result(f"{i}", epoch, value).reason
        reasons.append(reason.rpartition("; ")[2])
    noises = [reason.removeprefix("rung 4 ranks them the same, within ") for reason in reasons]
    assert noises == ["0", *["0.1"] * 199, "0", "0"]


def test_a_rung_that_the_study_did_not_have_is_left_out() -> None:
    """A trial that has no value at the rung below, because the study had fewer epochs then, changes no ranking."""
    settings = PASHA(epsilon=0.0)
    scheduler = _built(settings, 2, epochs=16)
    state = scheduler.state()
    scheduler.restore({**state, "top": 4})
    for trial, epochs in (("0", (1, 2, 4)), ("1", (1, 4))):
        scheduler.start(trial)
        for epoch in epochs:
            decision = scheduler.on_result(trial, epoch, 0.1 * epoch)
    assert decision.reason.endswith("rung 2 ranks them the same, within 0")


def test_a_checkpoint_is_left_at_rungs_alone() -> None:
    """Every epoch is a milestone as long as noise is estimated, and only rungs leave a checkpoint."""
    settings = PASHA()
    assert [settings.next_milestone(epoch, 8) for epoch in range(8)] == list(range(1, 9))
    assert [epoch for epoch in range(1, 9) if settings.leaves_checkpoint(epoch, 8)] == [1, 2, 4]
    assert PASHA(epsilon=0.0).next_milestone(2, 8) == 4


@pytest.mark.parametrize("fields", [{"epsilon": -0.1}, {"epsilon": math.nan}, {"epsilon": True}, {"grace_period": 0}])
def test_fields_have_ranges(fields: dict[str, object]) -> None:
    """A setting outside of its range is refused when the job is created."""
    with pytest.raises(ValidationError):
        TypeAdapter(AnyScheduler).validate_python({"kind": "pasha", **fields})
