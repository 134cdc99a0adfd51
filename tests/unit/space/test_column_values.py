"""Conversion of a config's value to its column, and back."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter

from pipeline.space import Choice, Grid, Space, Uniform, flat, key_of
from pipeline.space.column_values import column_type, column_value, config_value, listed_values, scalar

_texts = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["null", "true", "1", "[1]", "{}", "1.0"])
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e300, 1e300) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=6,
)
_listed = st.lists(_values, min_size=1, max_size=5)
_domains = (st.builds(Choice, _listed) | st.builds(Grid, _listed)).filter(lambda domain: not domain.faults())


@given(domain=_domains)
def test_every_value_is_restored_from_its_column(domain: Any) -> None:
    """Each value of a Choice is restored, with its type, from the Parquet column that holds it."""
    (domain,) = TypeAdapter(Space).validate_python({"p": domain}).values()
    type_ = column_type(domain)
    column = pa.array([*(column_value(value, type_) for value in domain.values), None], type_)
    *held, empty = column.to_pylist()
    assert empty is None
    assert None not in held
    for value, found in zip(domain.values, held, strict=True):
        back = config_value(found, listed_values(domain))
        assert key_of(back) == key_of(value)
        assert back is not value or not isinstance(value, list | dict)


@given(value=_values.filter(lambda value: not isinstance(value, dict)))
def test_a_fixed_value_comes_back_from_its_column(value: Any) -> None:
    """A constant, which may be None or a list, is restored with its type from its Parquet column."""
    (fixed,) = flat(TypeAdapter(Space).validate_python({"p": value})).values()
    type_ = column_type(fixed)
    found = pa.array([column_value(fixed, type_)], type_)[0].as_py()
    assert key_of(config_value(found, listed_values(fixed))) == key_of(value)


@pytest.mark.parametrize(
    ("domain", "type_"),
    [
        (Choice([[1], [2]]), pa.string()),
        (Choice([1, None]), pa.string()),
        (Choice([None]), pa.string()),
        (Choice([{"a": 1}]), pa.string()),
        ({"values": 1}, pa.string()),
        (None, pa.string()),
        ([1.5], pa.string()),
        (Choice([1, 2]), pa.int64()),
        (Choice([1, 2.5]), pa.float64()),
        (Choice([True]), pa.bool_()),
    ],
)
def test_values_of_one_type_keep_it(domain: Any, type_: pa.DataType) -> None:
    """Numbers and booleans have columns of their type; lists, dicts, None and mixed values are text."""
    assert column_type(domain) == type_


def test_a_value_of_an_earlier_domain_is_read_as_what_it_is() -> None:
    """A list that is no longer a choice is read as a list, and text in a column of text is read as text."""
    assert config_value("[64, 32]", [[8], None]) == [64, 32]
    assert config_value("[64, 32]", ["a", "b"]) == "[64, 32]"
    assert config_value("[64, 3", [[8]]) == "[64, 3"
    assert config_value("sgd", [[8]]) == "sgd"
    assert config_value(0.25, listed_values(Uniform(0, 1))) == 0.25


def test_tools_that_know_scalars_get_json() -> None:
    """Numbers, booleans and text are unchanged; other values become JSON with letters of any script unescaped."""
    assert [scalar(value) for value in (1, 0.5, True, "a")] == [1, 0.5, True, "a"]
    assert [scalar(value) for value in (None, ["ä", 1.0], {"a": False})] == ["null", '["ä", 1.0]', '{"a": false}']
