"""Values: what pydantic reads, when two are equal, and their columns."""

import json
import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    Choice,
    Grid,
    IntUniform,
    Normal,
    Space,
    Uniform,
    column_type,
    column_value,
    config_value,
    flat,
    key_of,
    listed_values,
    normalize,
)
from tests.unit.space.strategies import values

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


@given(value=values.filter(lambda value: not isinstance(value, dict) or "kind" not in value))
def test_constants_survive_json(value: Any) -> None:
    space = _SPACE.validate_python({"p": value})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr({"p": value})


@pytest.mark.parametrize(
    "value",
    [
        Uniform(True, 2),  # type: ignore[arg-type]
        Uniform("0", 1),  # type: ignore[arg-type]
        Uniform(0, math.inf),
        Normal(math.nan, 1),
        IntUniform(0.0, 5),  # type: ignore[arg-type]
        IntUniform(False, 5),
        IntUniform(0, 5, log=1),  # type: ignore[arg-type]
        Choice("ab"),  # type: ignore[arg-type]
        Choice([math.nan]),
        Choice([[1, math.nan]]),
        Choice([[1, {2}]]),  # type: ignore[list-item]
        Choice([{1: 2}]),  # type: ignore[list-item]
        Choice([{"a": max}]),  # type: ignore[list-item]
        Choice([[Uniform(0, 1)]]),  # type: ignore[list-item]
        Choice([["\ud800"]]),
        Choice([{"\ud800": 1}]),
        Choice([[2**63]]),
        Grid([2**63]),
        {"kind": "uniform", "low": 0},
        {"kind": "uniform", "low": 0, "high": 1, "q": 1},
        {"kind": "other"},
        {"low": 0, "high": 1},
        {"values": [1, 2], "of": "width"},
        {"branches": {}},
        {"lr": Uniform(0, 1)},
        [Uniform(0, 1)],
        {1, 2},
        max,
        b"x",
        math.inf,
        2**63,
        "\ud800",
    ],
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        _SPACE.validate_python({"p": value})


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        (Uniform(np.float32(0.5), np.int64(2)), Uniform(0.5, 2.0)),
        (IntUniform(np.int8(1), np.uint64(5)), IntUniform(1, 5)),
        (Choice(np.array([1, 2])), Choice((1, 2))),
        (Grid([np.float64(0.5), "a"]), Grid((0.5, "a"))),
        (np.array([1, 2]), [1, 2]),
        (Choice([(64, np.int64(32)), np.array([[0.5]]), {np.str_("a"): ()}]), Choice(([64, 32], [[0.5]], {"a": []}))),
    ],
)
def test_numpy_values_are_read_as_plain_ones(value: object, read: object) -> None:
    space = _SPACE.validate_python({"p": value})
    assert repr(space) == repr({"p": read})


@given(value=values)
def test_equal_keys_mean_equal_values(value: Any) -> None:
    assert json.loads(key_of(value)) == value
    assert key_of(json.loads(key_of(value))) == key_of(value)


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
    (fixed,) = flat(TypeAdapter(Space).validate_python({"p": value})).values()
    type_ = column_type(fixed)
    found = pa.array([column_value(fixed, type_)], type_)[0].as_py()
    assert key_of(config_value(found, listed_values(fixed))) == key_of(value)


def test_settings_beside_the_path_are_gathered() -> None:
    path = "ray.tune.schedulers.ASHAScheduler"
    gathered = {"kind": path, "settings": {"max_t": 9, "grace_period": 2}}
    assert normalize({"kind": path, "max_t": 9, "grace_period": 2}) == gathered
    assert normalize({"kind": path, "settings": {"max_t": 5, "grace_period": 2}, "max_t": 9}) == gathered
