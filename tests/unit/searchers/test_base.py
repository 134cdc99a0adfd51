"""The losses and random numbers that searchers get."""

import pytest
from hypothesis import given, strategies as st

from pipeline.searchers.base import Observation, chance, losses
from tests.unit.searchers.observations import known


@pytest.mark.parametrize(
    ("observation", "reached"),
    [
        (known(0, (1, 0.5), (4, 0.4)), True),
        (known(0, (1, 0.5)), False),
        (known(0, (1, 0.5), ended=True), True),
        (known(0, loss=0.5), True),
        (Observation({"x": 0}, "open", None, ((4, 0.5),)), True),
        (Observation({"x": 0}, "open"), False),
        (Observation({"x": 0}, "failed"), False),
    ],
)
def test_a_loss_is_known_at_an_epoch(observation: Observation, reached: bool) -> None:
    """A loss is known at an epoch if a milestone there or later was reported or the trial cannot improve."""
    assert observation.reached(4) == reached


def test_each_draw_has_its_own_numbers() -> None:
    """The random numbers of each draw depend only on the seed and the draw's number."""
    drawn = {(seed, index): chance(seed, index).random() for seed in range(20) for index in range(20)}
    assert len(set(drawn.values())) == 400
    assert chance(3, 4).random() == drawn[3, 4]


@given(known=st.lists(st.floats(-5, 5) | st.sampled_from(["open", "failed"]), max_size=8))
def test_failures_count_as_the_worst(known: list) -> None:
    """Failures get the worst known loss, open configs do so on request, and without a known loss there are none."""
    trials = [
        Observation({"x": number}, "known", one) if isinstance(one, float) else Observation({"x": number}, one)
        for number, one in enumerate(known)
    ]
    values = [one for one in known if isinstance(one, float)]
    for open_too in (False, True):
        expected = [
            ({"x": number}, one if isinstance(one, float) else max(values))
            for number, one in enumerate(known)
            if values and (open_too or one != "open")
        ]
        assert losses(trials, open_too=open_too) == expected
