"""Strategies of hypothesis for domains and values."""

from hypothesis import strategies as st

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform
from pipeline.space.values import LARGEST

reals = st.floats(-LARGEST, LARGEST)
wholes = st.integers(-(2**63), 2**63 - 1)
scalars = st.one_of(st.booleans(), wholes, reals, st.text(st.characters(codec="utf-8"), max_size=5))
values = st.recursive(
    st.none() | scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abä ", max_size=3), inner),
    max_leaves=6,
)
listed_values = st.lists(values, min_size=1, max_size=5)
domains = st.one_of(
    st.builds(Uniform, reals, reals),
    st.builds(LogUniform, reals, reals),
    st.builds(IntUniform, wholes, wholes, st.booleans()),
    st.builds(IntUniform, wholes, wholes, st.booleans(), st.integers(-1, 50) | wholes),
    st.builds(QUniform, reals, reals, reals),
    st.builds(Normal, reals, reals),
    st.builds(Choice, listed_values),
    st.builds(Grid, listed_values),
)
domains = st.one_of(
    domains, st.builds(Switch, st.dictionaries(st.text("ab-", max_size=3), st.just({"p": 1}), max_size=3))
)
valid_domains = domains.filter(lambda domain: not domain.faults())
seeds = st.integers(0, 2**32)
