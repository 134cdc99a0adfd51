"""Domains and values: drawing, containing, moving and placing, what is read and what is refused, and their columns."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    AnyDomain,
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    QUniform,
    Space,
    Switch,
    Uniform,
    column_type,
    column_value,
    combination,
    config_value,
    draw,
    flat,
    key_of,
    listed_values,
    normalize,
)

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)
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
_lists = st.lists(values, min_size=1, max_size=5)
domains = st.one_of(
    st.builds(Uniform, reals, reals),
    st.builds(LogUniform, reals, reals),
    st.builds(IntUniform, wholes, wholes, st.booleans(), st.integers(1, 50)),
    st.builds(QUniform, reals, reals, reals | st.sampled_from([0.1, 0.25, 1.0])),
    st.builds(Choice, _lists),
    st.builds(Grid, _lists),
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


@given(
    domain=valid_domains, unit=st.floats(0, 1), seed=seeds, factors=st.lists(st.sampled_from([0.8, 1.2]), max_size=5)
)
@example(Uniform(0, 5e-324), 1.0, 0, [])
@example(Uniform(1.0, math.nextafter(1.0, 2)), 0.5, 3, [1.2])
@example(Uniform(-1e300, 1e300), 1.0, 0, [0.8])
@example(LogUniform(5e-324, 1e300), 0.5, 0, [0.8])
@example(LogUniform(10.0, math.nextafter(10.0, 11)), 1.0, 0, [1.2])
@example(LogUniform(5e-324, 1e-323), 0.0, 0, [0.8] * 2)
@example(IntUniform(-(2**53), 2**53), 1.0, 0, [0.8])
@example(IntUniform(1, 2**53, log=True), 1.0, 0, [1.2])
@example(IntUniform(1, 2**53, log=True, step=2**52), 1.0, 0, [1.2])
@example(IntUniform(-5, 5), 0.0, 0, [0.8] * 5)
@example(QUniform(0.1, 0.3, 0.1), 1.0, 0, [1.2])
@example(QUniform(1.0, 1.0000001, 1e-9), 1.0, 0, [1.2])
def test_drawn_placed_and_moved_values_are_in_the_domain(
    domain: Any, unit: float, seed: int, factors: list[float]
) -> None:
    value = domain.draw(np.random.default_rng(seed))
    assert value == domain.draw(np.random.default_rng(seed))
    assert 0 <= domain.to_unit(value) <= 1
    moved = [value]
    for factor in factors:
        moved.append(domain.perturb(moved[-1], factor))
    for each in (domain.from_unit(unit), *moved):
        assert domain.contains(each)
        assert domain.as_drawn(each) == each
        assert type(each) in (bool, int, float, str, list, dict, type(None))


@given(domain=valid_domains)
def test_domains_survive_json(domain: Any) -> None:
    again = _SPACE.validate_json(_SPACE.dump_json(_SPACE.validate_python({"p": domain})))
    assert repr(again) == repr({"p": domain})


@pytest.mark.parametrize(("domain", "factor", "moved"), [
    (Uniform(0, 1), 1.2, 0.6),
    (LogUniform(0.1, 10), 0.8, 0.4),
    (IntUniform(0, 100, step=10), 1.2, 60),
    (QUniform(0, 1, 0.25), 1.2, 0.75),
    (Choice([0.25, 0.5, 9]), 0.8, 0.25),
])  # fmt: skip
def test_a_factor_moves_a_value(domain: Any, factor: float, moved: float) -> None:
    value = 50 if isinstance(domain, IntUniform) else 0.5
    assert domain.perturb(value, factor) == pytest.approx(moved)


def test_lists_keep_their_types_apart() -> None:
    domain = read(Choice([[1], [1.0], [True], ["1"], {"a": 1, "b": [None]}]))
    assert [domain.number(value) for value in ([1], [1.0], [True], ["1"])] == [0, 1, 2, 3]
    assert domain.number({"b": [None], "a": 1}) == 4
    assert not any(domain.contains(value) for value in ([1.5], None, {"a": 1.0, "b": [None]}))
    with pytest.raises(ValueError, match="not one of the values"):
        domain.number(1)


def test_changing_a_drawn_list_changes_no_other_config() -> None:
    space = _SPACE.validate_python({"layers": Choice([[64]]), "fixed": [1, {"a": 2}]})
    for make in (lambda: draw(space, np.random.default_rng(0)), lambda: combination(space, 0)):
        config = make()
        config["layers"].append(3)
        config["fixed"][1]["a"] = 5
        assert make() == {"layers": [64], "fixed": [1, {"a": 2}]}
    assert space["layers"].values == ([64],)


@pytest.mark.parametrize("name", ["", "LR", "1a", "a-b", "a.b", "a b", "ö", "a" * 64, "a\n", "_a", 'a"', "../x"])
def test_names_that_would_need_quotes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        _SPACE.validate_python({name: 1})


@pytest.mark.parametrize("domain", [
    *(Uniform(1, 1), Uniform(0, 1e301), Uniform(math.nan, 1), Uniform(0, math.inf), Uniform(True, 2)),
    *(Uniform("0", 1), LogUniform(0, 1), LogUniform(2, 1), Uniform(math.nan, 0)),
    *(
        IntUniform(3, 3),
        IntUniform(0, 3, log=True),
        IntUniform(0, 2**54),
        IntUniform(0.0, 5),
        IntUniform(0, 5, log=1),
    ),
    *(IntUniform(0, 8, step=0), IntUniform(0, 8, step=9), QUniform(1, 0, 0.1), QUniform(0, 1, 0)),
    *(QUniform(0.1, 0.9, 1), QUniform(0, 1e300, 1e-300), Choice("ab"), Choice([math.nan]), Choice([[1, math.nan]])),
    *(Choice([]), Choice([1, 2, 1]), Choice([True, 0, True]), Choice([1, 1.0]), Grid([1, "1"]), Grid([2**63])),
    *(Choice([[1, {"a": 2}], [1, {"a": 2}]]), Choice([None, "null"]), Choice([[1, {2}]]), Choice([{1: 2}])),
    *(Choice([{"a": max}]), Choice([[Uniform(0, 1)]]), Choice([["\ud800"]]), Choice([[2**63]])),
    *(Switch({}), Switch({"ok": {}, "kind": {}}), Switch({"a.b": {}}), Switch({"a": {"p": Uniform(1, 0)}})),
])  # fmt: skip
def test_a_faulty_domain_is_refused(domain: Any) -> None:
    assert read(domain) is None


@pytest.mark.parametrize("value", [
    *({"kind": "uniform", "low": 0}, {"kind": "uniform", "low": 0, "high": 1, "q": 1}, {"kind": "other"}),
    *({"low": 0, "high": 1}, {"values": [1, 2], "of": "width"}, {"branches": {}}, {"lr": Uniform(0, 1)}),
    *([Uniform(0, 1)], {1, 2}, max, b"x", math.inf, 2**63, "\ud800"),
])  # fmt: skip
def test_other_values_are_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        _SPACE.validate_python({"p": value})


@pytest.mark.parametrize(("value", "found"), [
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
])  # fmt: skip
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
