"""Domains: drawing, containing, moving and placing values, their faults, and reading them."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st
from pydantic import TypeAdapter, ValidationError

from pipeline.space import (
    Choice,
    Domain,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Space,
    Switch,
    Uniform,
    combination,
    covers,
    draw,
)
from pipeline.space.values import LARGEST
from tests.unit.space.strategies import domains, seeds, valid_domains


@given(domain=valid_domains, seed=seeds)
@example(Uniform(0, 5e-324), 0)
@example(Uniform(1.0, math.nextafter(1.0, 2)), 3)
@example(Uniform(-LARGEST, LARGEST), 0)
@example(LogUniform(5e-324, LARGEST), 0)
@example(LogUniform(10.0, math.nextafter(10.0, 11)), 0)
@example(LogUniform(5.0, math.nextafter(5.0, 6)), 0)
@example(IntUniform(-(2**63), 2**63 - 1), 0)
@example(IntUniform(1, 2**63 - 1, log=True), 0)
@example(IntUniform(-(2**63), 2**63 - 1, step=2), 0)
@example(IntUniform(1, 2**63 - 1, log=True, step=2**62), 0)
@example(QUniform(0.1, 0.3, 0.1), 0)
@example(QUniform(1e9, 1e9 + 1, 1e-4), 0)
@example(QUniform(-LARGEST, LARGEST, 1e299), 0)
@example(QUniform(0.123456789012345, 0.123456789012346, 1e-15), 0)
def test_draws_are_within_the_domain(domain: Any, seed: int) -> None:
    value = domain.draw(np.random.default_rng(seed))
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str, list, dict, type(None))
    assert value == domain.draw(np.random.default_rng(seed))


@given(domain=valid_domains, seed=seeds, factor=st.sampled_from([0.8, 1.2]), times=st.integers(1, 5))
@example(IntUniform(-5, 5), 0, 0.8, 5)
@example(Normal(LARGEST, 1.0), 0, 1.2, 5)
@example(LogUniform(5e-324, 1e-323), 0, 0.8, 2)
def test_perturbed_values_are_within_the_domain(domain: Any, seed: int, factor: float, times: int) -> None:
    rng = np.random.default_rng(seed)
    value = domain.draw(rng)
    for _ in range(times):
        moved = domain.perturb(value, factor, rng)
        assert domain.contains(moved)
        value = moved
    assert type(value) in (bool, int, float, str, list, dict, type(None))


@given(domain=valid_domains, unit=st.floats(0, 1), seed=seeds)
@example(Uniform(0, 5e-324), 1.0, 0)
@example(LogUniform(5e-324, LARGEST), 0.5, 0)
@example(IntUniform(-(2**63), 2**63 - 1), 1.0, 0)
@example(IntUniform(1, 2**63 - 1, log=True), 1.0, 0)
@example(QUniform(0.1, 0.3, 0.1), 1.0, 0)
@example(Normal(0, 1), 0.0, 0)
def test_every_unit_number_has_a_value_and_every_value_a_unit_number(domain: Any, unit: float, seed: int) -> None:
    value = domain.from_unit(unit)
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str, list, dict, type(None))
    assert 0 <= domain.to_unit(domain.draw(np.random.default_rng(seed))) <= 1


_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


def test_lists_keep_their_types_apart() -> None:
    domain = Choice([[1], [1.0], [True], ["1"], {"a": 1, "b": [None]}])
    assert not domain.faults()
    assert [domain.number(value) for value in ([1], [1.0], [True], ["1"])] == [0, 1, 2, 3]
    assert domain.number({"b": [None], "a": 1}) == 4
    assert not domain.contains([1.5])
    assert not domain.contains(None)
    assert not domain.contains({"a": 1.0, "b": [None]})
    with pytest.raises(ValueError, match="not one of the values"):
        domain.number(1)


def test_changing_a_drawn_list_changes_no_other_config() -> None:
    space = _SPACE.validate_python({"layers": Choice([[64]]), "fixed": [1, {"a": 2}]})
    for make in (lambda: draw(space, np.random.default_rng(0)), lambda: combination(space, 0)):
        config = make()
        config["layers"].append(3)
        config["fixed"][1]["a"] = 5
        assert make() == {"layers": [64], "fixed": [1, {"a": 2}]}
    domain = space["layers"]
    domain.from_unit(0.0).append(1)
    domain.perturb([64], 1.2, np.random.default_rng(0)).append(1)
    assert domain.values == ([64],)


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
    if covers(outer, inner):
        rng = np.random.default_rng(seed)
        assert all(outer.contains(inner.draw(rng)) for _ in range(20))
    elif hasattr(inner, "count"):
        assert not all(outer.contains(inner.nth(number)) for number in range(inner.count))


_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


@given(domain=valid_domains)
def test_domains_survive_json(domain: Any) -> None:
    space = _SPACE.validate_python({"p": domain})
    read = _SPACE.validate_json(_SPACE.dump_json(space))
    assert repr(read) == repr(space)
    assert read == space


@given(domain=domains)
def test_a_faulty_domain_is_refused_with_its_fault(domain: Any) -> None:
    faults = domain.faults()
    if not faults:
        _SPACE.validate_python({"p": domain})
        return
    with pytest.raises(ValidationError) as refused:
        _SPACE.validate_python({"p": domain})
    assert all(fault.allowed in str(refused.value) for fault in faults)


@pytest.mark.parametrize("name", ["", "LR", "1a", "a-b", "a.b", "a b", "ö", "a" * 64, "a\n", "_a", 'a"', "../x"])
def test_names_that_would_need_quotes_are_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        _SPACE.validate_python({name: 1})


@pytest.mark.parametrize(
    ("field", "domains"),
    [
        ("low", [Uniform(1, 1), Uniform(0, 1e301), Uniform(math.nan, 1), LogUniform(0, 1), LogUniform(2, 1)]),
        ("low", [IntUniform(3, 3), IntUniform(0, 3, log=True), IntUniform(0, 2**63), QUniform(1, 0, 0.1)]),
        ("step", [IntUniform(0, 8, step=0), IntUniform(0, 8, step=9)]),
        ("q", [QUniform(0, 1, 0), QUniform(0.1, 0.9, 1), QUniform(0, 1e300, 1e-300), QUniform(1, 1 + 1e-12, 1e-18)]),
        ("std", [Normal(0, 0)]),
        ("mean", [Normal(1e301, 1)]),
        ("values", [Choice([]), Choice([1, 2, 1]), Choice([True, 0, True]), Choice([1, 1.0]), Grid([1, "1"])]),
        ("values", [Choice([[1, {"a": 2}], [1, {"a": 2}]]), Choice([None, "null"])]),
        ("branches", [Switch({}), Switch({"ok": {}, "kind": {}}), Switch({"a.b": {}})]),
    ],
)
def test_a_fault_names_its_field(field: str, domains: list[Any]) -> None:
    assert [[fault.field for fault in domain.faults()] for domain in domains] == [[field]] * len(domains)
