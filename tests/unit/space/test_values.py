"""Values: what pydantic reads, and their columns."""

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
from tests.unit.space.strategies import read, values

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


@pytest.mark.parametrize(
    "value",
    [
        *({"kind": "uniform", "low": 0}, {"kind": "uniform", "low": 0, "high": 1, "q": 1}, {"kind": "other"}),
        *({"low": 0, "high": 1}, {"values": [1, 2], "of": "width"}, {"branches": {}}, {"lr": Uniform(0, 1)}),
        *([Uniform(0, 1)], {1, 2}, max, b"x", math.inf, 2**63, "\ud800"),
    ],
)
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        _SPACE.validate_python({"p": value})


@pytest.mark.parametrize(
    ("value", "found"),
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
def test_numpy_values_are_read_as_plain_ones(value: object, found: object) -> None:
    assert repr(_SPACE.validate_python({"p": value})) == repr({"p": found})


_texts = st.sampled_from(["null", "true", "1", "[1]", "{}", "1.0"])
_listed = st.lists(values | _texts | st.lists(_texts), min_size=1, max_size=5)
_domains = (st.builds(Choice, _listed) | st.builds(Grid, _listed)).map(read).filter(lambda domain: domain is not None)


@given(domain=_domains)
def test_every_value_is_restored_from_its_column(domain: Any) -> None:
    type_ = column_type(domain)
    column = pa.array([*(column_value(value, type_) for value in domain.values), None], type_)
    *held, empty = column.to_pylist()
    assert empty is None
    for value, found in zip(domain.values, held, strict=True):
        back = config_value(found, listed_values(domain))
        assert key_of(back) == key_of(value)
        assert back is not value or not isinstance(value, list | dict)


@given(value=(values | _texts).filter(lambda value: not isinstance(value, dict)))
def test_a_fixed_value_survives_json_and_its_column(value: Any) -> None:
    space = _SPACE.validate_json(_SPACE.dump_json(_SPACE.validate_python({"p": value})))
    assert repr(space) == repr({"p": value})
    (fixed,) = flat(space).values()
    type_ = column_type(fixed)
    found = pa.array([column_value(fixed, type_)], type_)[0].as_py()
    assert key_of(config_value(found, listed_values(fixed))) == key_of(value)


def test_settings_beside_the_path_are_gathered() -> None:
    path = "ray.tune.schedulers.ASHAScheduler"
    gathered = {"kind": path, "settings": {"max_t": 9, "grace_period": 2}}
    assert normalize({"kind": path, "max_t": 9, "grace_period": 2}) == gathered
    assert normalize({"kind": path, "settings": {"max_t": 5, "grace_period": 2}, "max_t": 9}) == gathered
