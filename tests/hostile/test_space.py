"""Domains with any bounds: a message, or draws that are within the bounds and reproducible."""

import json
from typing import Any

import numpy as np
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    AnyDomain,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Space,
    Uniform,
    draw,
    perturb,
)

_READ: TypeAdapter[Any] = TypeAdapter(AnyDomain)
_EDGES = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**64, 10**400, 5e-324, 1e-300, 1e300, -1e300, 1.8e308]
_NUMBERS = st.one_of(st.integers(-10, 10), st.floats(-10, 10), st.integers(), st.floats(), st.sampled_from(_EDGES))
_SCALARS = st.one_of(st.booleans(), _NUMBERS, st.text(max_size=5), st.sampled_from(["\0", "\ud800", "x" * 5000]))
_DOMAINS = st.one_of(
    st.builds(Uniform, _NUMBERS, _NUMBERS),
    st.builds(LogUniform, _NUMBERS, _NUMBERS),
    st.builds(IntUniform, _NUMBERS, _NUMBERS, st.booleans()),
    st.builds(QUniform, _NUMBERS, _NUMBERS, _NUMBERS),
    st.builds(Normal, _NUMBERS, _NUMBERS),
    st.builds(Choice, st.lists(_SCALARS, max_size=4)),
    st.builds(Grid, st.lists(_SCALARS, max_size=4)),
)


def _read(domain: object) -> Any | None:
    """The domain as a job reads it; None if it is refused with a message."""
    try:
        return _READ.validate_python(domain)
    except ValidationError:
        return None


@given(domain=_DOMAINS, seed=st.integers(0, 2**31 - 1))
def test_draws_of_any_domain(domain: object, seed: int) -> None:
    """A valid domain draws values that it contains, as JSON, the same for the same seed."""
    if (read := _read(domain)) is None:
        return
    first, second = ([read.draw(np.random.default_rng(seed)) for _ in range(3)] for _ in range(2))
    assert first == second
    for value in first:
        assert read.contains(value), (read, value)
        again = json.loads(json.dumps(value, allow_nan=False))
        assert (again, type(again)) == (value, type(value))


@given(domain=_DOMAINS, seed=st.integers(0, 2**31 - 1), factors=st.lists(st.sampled_from([0.8, 1.2]), max_size=5))
def test_exploring_any_domain(domain: object, seed: int, factors: list[float]) -> None:
    """A value that exploring changes any number of times stays within its domain."""
    if (read := _read(domain)) is None:
        return
    rng = np.random.default_rng(seed)
    value = read.draw(rng)
    for factor in factors:
        value = read.perturb(value, factor, rng)
        assert read.contains(value), (read, value)


@given(
    space=st.dictionaries(st.sampled_from(["lr", "width", "kind", "q"]), st.one_of(_DOMAINS, _SCALARS)),
    index=st.integers(0, 2**31 - 1),
)
def test_configs_of_any_space(space: dict[str, Any], index: int) -> None:
    """A space that is accepted gives a config with a value for each parameter, at any index, drawn and explored."""
    try:
        read = TypeAdapter(Space).validate_python(space)
    except ValidationError:
        return
    rng = np.random.default_rng(index)
    config = draw(read, rng, index)
    assert list(config) == list(space)
    explored = perturb(read, config, rng, resample_probability=0.5)
    assert all(not hasattr(domain, "draw") or domain.contains(explored[name]) for name, domain in read.items())
    json.dumps([config, explored], allow_nan=False)
