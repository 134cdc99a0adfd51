"""Strategies of hypothesis for domains and values."""

from typing import Any

from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import AnyDomain, Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform

_READ: TypeAdapter[Any] = TypeAdapter(AnyDomain)

reals = st.floats(-1e300, 1e300) | st.integers(-4, 6).map(float)
wholes = st.integers(-(2**53), 2**53) | st.integers(-4, 6)
scalars = st.one_of(
    st.booleans(), st.integers(-(2**63), 2**63 - 1), reals, st.text(st.characters(codec="utf-8"), max_size=5)
)
values = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abä ", max_size=3), inner),
    max_leaves=6,
)
listed_values = st.lists(values, min_size=1, max_size=5)
domains = st.one_of(
    st.builds(Uniform, reals, reals),
    st.builds(LogUniform, reals, reals),
    st.builds(IntUniform, wholes, wholes, st.booleans(), st.integers(1, 50)),
    st.builds(QUniform, reals, reals, reals | st.sampled_from([0.1, 0.25, 1.0])),
    st.builds(Normal, reals, reals),
    st.builds(Choice, listed_values),
    st.builds(Grid, listed_values),
    st.builds(Switch, st.dictionaries(st.text("ab-", max_size=3), st.just({"p": 1}), max_size=3)),
)
seeds = st.integers(0, 2**32)


def read(domain: object) -> Any:
    """The domain as a job reads it; None if it is refused."""
    try:
        return _READ.validate_python(domain)
    except ValidationError:
        return None


valid_domains = domains.map(read).filter(lambda domain: domain is not None)
