"""Domains of integers and of quantised numbers."""

import numpy as np
from hypothesis import assume, given, strategies as st

from pipeline.space import (
    IntUniform,
    QUniform,
)
from tests.unit.space.strategies import seeds, wholes


@given(low=st.integers(-50, 50), steps=st.integers(1, 40), q=st.sampled_from([0.1, 0.25, 0.3, 1e-7, 3.0]), seed=seeds)
def test_multiples_are_written_as_a_person_would(low: int, steps: int, q: float, seed: int) -> None:
    """A multiple of 0.1 is 0.3 instead of 0.30000000000000004, and both ends are drawn."""
    shown = repr(q)
    first, last = (float(f"{k * q:.12g}") for k in (low, low + steps))
    domain = QUniform(first, last, q)
    value = domain.draw(np.random.default_rng(seed))
    assert value == float(f"{round(value / q) * q:.12g}"), shown
    assert domain.contains(first)
    assert domain.contains(last)
    assert not domain.contains(first + q / 3)


@given(domain=st.builds(IntUniform, wholes, wholes, st.booleans(), st.integers(1, 50) | wholes), seed=seeds)
def test_a_step_leads_from_low_to_high(domain: IntUniform, seed: int) -> None:
    """The values of a stepped domain are its low end plus whole steps, and each has a unit number."""
    assume(not domain.faults())
    value = domain.draw(np.random.default_rng(seed))
    assert (value - domain.low) % domain.step == 0
    assert domain.nth(domain.number(value)) == value
    assert 0 <= domain.number(value) < domain.count
    assert domain.nth(domain.count - 1) <= domain.high < domain.nth(domain.count)
    assert domain.step == 1 or not domain.contains(value + 1)


def test_all_steps_are_drawn_equally_often() -> None:
    """All values of a stepped domain are equally frequent, and one without a step draws as before."""
    rng = np.random.default_rng(5)
    drawn = [IntUniform(16, 130, step=16).draw(rng) for _ in range(4000)]
    assert sorted(set(drawn)) == [16, 32, 48, 64, 80, 96, 112, 128]
    assert min(drawn.count(value) for value in set(drawn)) > 400
    before = np.random.default_rng(5)
    again = np.random.default_rng(5)
    assert [IntUniform(-3, 9).draw(again) for _ in range(9)] == before.integers(-3, 9, 9, endpoint=True).tolist()


def test_a_perturbed_step_is_another_step() -> None:
    """A perturbed value moves by at least one step in the direction of the factor, within the domain."""
    rng, domain = np.random.default_rng(0), IntUniform(16, 130, step=16)
    assert [domain.perturb(value, 1.2, rng) for value in (16, 32, 64, 112, 128)] == [32, 48, 80, 128, 128]
    assert [domain.perturb(value, 0.8, rng) for value in (16, 32, 64, 112, 128)] == [16, 16, 48, 96, 96]
    assert IntUniform(-40, 40, step=10).perturb(-20, 1.2, rng) == -30


def test_whole_numbers_move() -> None:
    """A small integer moves by one if multiplying would not change it, but not beyond the bounds."""
    rng = np.random.default_rng(0)
    assert IntUniform(0, 10).perturb(1, 1.2, rng) == 2
    assert IntUniform(0, 10).perturb(1, 0.8, rng) == 0
    assert IntUniform(0, 10).perturb(10, 1.2, rng) == 10
    assert QUniform(0, 1, 0.1).perturb(0.1, 1.2, rng) == 0.2
