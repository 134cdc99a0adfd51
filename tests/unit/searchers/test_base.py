"""The losses and random numbers that searchers get."""

import math

import pytest
from hypothesis import given, strategies as st

from pipeline.searchers.base import Observation, draw_generator, losses
from tests.unit.searchers.observations import known


@pytest.mark.parametrize(
    ("observation", "reach"),
    [
        (known(0, (1, 0.5), (4, 0.4)), 4),
        (known(0, (1, 0.5)), 1),
        (known(0, (1, 0.5), ended=True), math.inf),
        (known(0, loss=0.5), math.inf),
        (Observation({"x": 0}, "open", None, ((1, 0.7), (4, 0.5))), 4),
        (Observation({"x": 0}, "open"), 0),
        (Observation({"x": 0}, "failed"), 0),
    ],
)
def test_a_loss_is_known_up_to_an_epoch(observation: Observation, reach: float) -> None:
    """A loss is known up to the last milestone that was reported, and at every epoch if the trial cannot improve."""
    assert observation.reach == reach


def test_each_draw_has_its_own_numbers() -> None:
    """The random numbers of each draw depend only on the seed and the draw's number."""
    drawn = {(seed, index): draw_generator(seed, index).random() for seed in range(20) for index in range(20)}
    assert len(set(drawn.values())) == 400
    assert draw_generator(3, 4).random() == drawn[3, 4]


@given(known=st.lists(st.floats(-5, 5) | st.sampled_from(["open", "failed"]), max_size=8))
def test_failures_count_as_the_worst(known: list) -> None:
    """Failures get the worst known loss, open configs are left out, and without a known loss there are none."""
    trials = [
        Observation({"x": number}, "known", one) if isinstance(one, float) else Observation({"x": number}, one)
        for number, one in enumerate(known)
    ]
    values = [one for one in known if isinstance(one, float)]
    expected = [
        ({"x": number}, one if isinstance(one, float) else max(values))
        for number, one in enumerate(known)
        if values and one != "open"
    ]
    assert losses(trials) == expected
