"""Successive halving in equal brackets."""

import json

import numpy as np
from hypothesis import given, strategies as st

from pipeline.schedulers import SchedulerContext, SuccessiveHalving
from tests.unit.schedulers.learning_curves import curves, negative, simulated


@given(
    trials=st.integers(1, 60),
    seed=st.integers(0, 10_000),
    size=st.integers(1, 13),
    factor=st.sampled_from([2.0, 3.0, 3.5]),
    mode=st.sampled_from(["max", "min"]),
)
def test_each_bracket_is_halved_separately(trials, seed, size, factor, mode):
    """Each rung of each bracket promotes its share, even in a last bracket with too few trials."""
    found, epochs = curves(trials, seed), 27
    settings = SuccessiveHalving(bracket_size=size, reduction_factor=factor, grace_period=2)
    reached, _ = simulated(settings, found if mode == "max" else negative(found), epochs, mode)
    at, milestone = [], 0
    while milestone < epochs:
        milestone = settings.next_milestone(milestone, epochs)
        at.append(milestone)
    expected = {}
    for first in range(0, trials, size):
        alive = list(range(first, min(first + size, trials)))
        for epoch in at:
            expected |= {f"{trial:04d}": epoch for trial in alive}
            ranked = sorted(alive, key=lambda trial: -found[trial](epoch))
            alive = ranked[: max(1, int(np.floor(len(alive) / factor)))]
    assert reached == expected


def test_the_first_rung_grows_with_the_epochs():
    """The first rung is about 6% of a trial's maximum, at least one epoch, and the second about 23%."""
    settings = SuccessiveHalving()
    assert [settings.next_milestone(0, epochs) for epochs in (1, 8, 32, 50, 200)] == [1, 1, 2, 3, 12]
    assert [settings.next_milestone(settings.next_milestone(0, e), e) for e in (8, 32, 50, 200)] == [4, 7, 11, 42]
    assert SuccessiveHalving(grace_period=5).next_milestone(0, 200) == 5


def test_a_first_rung_that_is_never_reached_is_a_fault():
    """A first rung beyond the budget is a fault with the allowed values, and the default one fits every budget."""
    assert [fault.field for fault in SuccessiveHalving(grace_period=9).faults(epochs=8, trials=4)] == [
        "scheduler.grace_period"
    ]
    assert not SuccessiveHalving().faults(epochs=1, trials=1)


def test_reasons_name_each_bracket():
    """Brackets of successive halving are counted, so that a reason says with which trials one was compared."""
    context = SchedulerContext({}, "max", 32, 9, 0)
    first, restored = (SuccessiveHalving(bracket_size=3, grace_period=2).build(context) for _ in range(2))
    for number in range(9):
        first.add(f"{number:04d}", {})
        first.start(f"{number:04d}")
    restored.restore(json.loads(json.dumps(first.state())))
    for scheduler in (first, restored):
        reasons = [scheduler.on_result(f"{number:04d}", 2, 0.5).reason for number in (0, 3, 8)]
        assert [reason.rpartition(" ")[2] for reason in reasons] == ["0", "1", "2"]


def test_its_state_goes_to_json_and_back():
    """Successive halving makes the same choice and has the same state after a conversion to JSON and back."""
    context = SchedulerContext({}, "min", 32, 30, 0)
    one, other = SuccessiveHalving(bracket_size=3).build(context), SuccessiveHalving(bracket_size=3).build(context)
    for number in range(7):
        one.add(f"{number:04d}", {})
        one.start(f"{number:04d}")
        one.on_result(f"{number:04d}", 2, float(number))
    other.restore(json.loads(json.dumps(one.state())))
    waiting = [f"{number:04d}" for number in range(7)]
    assert other.choose(waiting) == one.choose(waiting)
    assert other.state() == one.state()
