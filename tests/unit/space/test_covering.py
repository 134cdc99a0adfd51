"""Whether a domain has all values of another."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from pipeline.space import Choice, Domain, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform
from pipeline.space.covering import covers

_small = st.one_of(
    st.builds(Uniform, st.integers(-4, 0), st.integers(1, 4)),
    st.builds(LogUniform, st.floats(0.1, 1), st.integers(2, 4)),
    st.builds(IntUniform, st.integers(-4, 0), st.integers(2, 6), st.just(value=False), st.integers(1, 2)),
    st.builds(QUniform, st.integers(-4, 0), st.integers(1, 4), st.sampled_from([0.25, 0.5, 1.0])),
    st.builds(Normal, st.just(0), st.just(1)),
    st.builds(Choice, st.lists(st.integers(-4, 6) | st.sampled_from([0.5, "a", None]), min_size=1, unique=True)),
)


@given(outer=_small, inner=_small, seed=st.integers(0, 9))
def test_every_draw_of_a_covered_domain_is_in_the_other(outer: Domain, inner: Domain, seed: int) -> None:
    """A domain that covers another contains all that the other draws, and its only values if it is countable."""
    if covers(outer, inner):
        rng = np.random.default_rng(seed)
        assert all(outer.contains(inner.draw(rng)) for _ in range(20))
    elif hasattr(inner, "count"):
        assert not all(outer.contains(inner.nth(number)) for number in range(inner.count))


@pytest.mark.parametrize(
    ("outer", "inner", "covered"),
    [
        (Uniform(0, 1), LogUniform(1e-4, 1), True),
        (Uniform(0.001, 1), Uniform(0.0001, 1), False),
        (Uniform(0, 1), Choice((0.8, 0.9)), True),
        (Uniform(0, 1), Choice((0.8, 2)), False),
        (Uniform(0, 1), Normal(0, 0.01), False),
        (Normal(0, 1), Uniform(-9, 9), True),
        (IntUniform(0, 64), Uniform(0, 1), False),
        (IntUniform(0, 64, step=16), IntUniform(16, 48, step=32), True),
        (IntUniform(0, 64, step=16), IntUniform(16, 48), False),
        (Grid((1, 2, 3)), IntUniform(1, 3), True),
        (Choice((1, 2, 3)), IntUniform(1, 4), False),
        (Choice((1, 2)), 2, True),
        (Choice((1, 2)), True, False),
        (Switch({"a": {}, "b": {}}), Choice(("a",)), True),
        (5, 5, True),
        (5, Choice((5,)), False),
        (1, 1.0, False),
    ],
)
def test_ranges_lists_and_fixed_values(outer: Any, inner: Any, covered: bool) -> None:
    """Ranges cover ranges within them and listed values in them; a fixed value covers only itself."""
    assert covers(outer, inner) is covered
