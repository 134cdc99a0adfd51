"""The common behaviour of all domains: drawing, containing, moving and placing values, and listing faults."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, strategies as st

from pipeline.space import (
    Choice,
    Grid,
    IntUniform,
    LogUniform,
    Normal,
    QUniform,
    Switch,
    Uniform,
)
from pipeline.space.values import LARGEST
from tests.unit.space.strategies import seeds, valid_domains


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
    """For any bounds, a drawn value is contained, is a plain Python value, and depends on the seed."""
    value = domain.draw(np.random.default_rng(seed))
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str, list, dict, type(None))
    assert value == domain.draw(np.random.default_rng(seed))


@given(domain=valid_domains, seed=seeds, factor=st.sampled_from([0.8, 1.2]), times=st.integers(1, 5))
@example(IntUniform(-5, 5), 0, 0.8, 5)
@example(Normal(LARGEST, 1.0), 0, 1.2, 5)
@example(LogUniform(5e-324, 1e-323), 0, 0.8, 2)
def test_perturbed_values_are_within_the_domain(domain: Any, seed: int, factor: float, times: int) -> None:
    """A value multiplied any number of times stays within the domain and keeps its type."""
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
    """A number from 0 to 1 converts to a value that can be drawn, and a drawn value to such a number."""
    value = domain.from_unit(unit)
    assert domain.contains(value)
    assert type(value) in (bool, int, float, str, list, dict, type(None))
    assert 0 <= domain.to_unit(domain.draw(np.random.default_rng(seed))) <= 1


@pytest.mark.parametrize(
    "domain",
    [
        Uniform(-2, 3),
        LogUniform(1e-4, 10),
        IntUniform(1, 9),
        IntUniform(1, 1000, log=True),
        IntUniform(16, 130, step=16),
        IntUniform(3, 900, log=True, step=7),
        QUniform(0, 1, 0.1),
        Normal(5, 2),
        Choice([1, "a", 2.5]),
        Grid([3, 1, 2]),
        Switch({"a": {}, "b": {}}),
    ],
)
def test_unit_numbers_follow_the_draws(domain: Any) -> None:
    """A value's unit number converts back to the value, and drawn values are uniform from 0 to 1."""
    drawn = [domain.draw(np.random.default_rng(seed)) for seed in range(400)]
    for value in drawn:
        back = domain.from_unit(domain.to_unit(value))
        assert back == (pytest.approx(value) if isinstance(value, float) else value)
    assert np.mean([domain.to_unit(value) for value in drawn]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("domain", "bounds", "span", "logarithmic", "whole"),
    [
        (Uniform(-2, 3), (-2, 3), (-2, 3), False, False),
        (LogUniform(1e-4, 10), (1e-4, 10), (1e-4, 10), True, False),
        (IntUniform(1, 9), (1, 9), (1, 9), False, True),
        (IntUniform(1, 1000, log=True), (1, 1000), (1, 1000), True, True),
        (QUniform(0, 1, 0.1), (0, 1), (0, 1), False, False),
        (Normal(5, 2), None, (-1, 11), False, False),
        (Choice([1, 2]), None, None, False, False),
        (Grid([3, 1]), None, None, False, False),
        (Switch({"a": {}, "b": {}}), None, None, False, False),
    ],
)
def test_a_domain_says_where_its_numbers_are(
    domain: Any, bounds: Any, span: Any, logarithmic: bool, whole: bool
) -> None:
    """The bounds of a domain are exact, its span has nearly all numbers, and listed values have neither."""
    assert (domain.bounds, domain.span, domain.logarithmic, domain.whole) == (bounds, span, logarithmic, whole)


@pytest.mark.parametrize(
    ("domain", "value", "drawn"),
    [
        (Uniform(0, 3), 1, 1.0),
        (LogUniform(1, 3), 1, 1.0),
        (QUniform(0, 3, 1), 2, 2.0),
        (Normal(0, 1), 1, 1.0),
        (IntUniform(1, 64), 32.0, 32),
        (IntUniform(1, 64), 0.5, 0.5),
        (Choice([1, "a"]), 1.0, 1),
        (Choice([1, "a"]), "b", "b"),
        (Grid([{"a": 1, "b": 2}]), {"b": 2, "a": 1}, {"a": 1, "b": 2}),
        (Switch({"a": {}}), "a", "a"),
        (Uniform(0, 3), True, True),
    ],
)
def test_a_value_is_as_the_domain_would_draw_it(domain: Any, value: Any, drawn: Any) -> None:
    """A value gets the type that the domain draws; a value outside of the domain is unchanged."""
    found = domain.as_drawn(value)
    assert (found, type(found)) == (drawn, type(drawn))
    assert not isinstance(drawn, dict) or list(found) == list(drawn)


@pytest.mark.parametrize(
    ("domain", "fault"),
    [
        (Uniform(1, 1), "low must be below high"),
        (Uniform(0, 1e301), "low and high must be at most 1e+300 in magnitude"),
        (LogUniform(0, 1), "low must be above 0"),
        (LogUniform(2, 1), "low must be below high"),
        (IntUniform(3, 3), "low must be below high"),
        (IntUniform(0, 3, log=True), "low must be at least 1 where log is set"),
        (IntUniform(0, 2**63), "low and high must fit in 64 bits"),
        (IntUniform(0, 8, step=0), "step must be from 1 to high - low"),
        (IntUniform(0, 8, step=9), "step must be from 1 to high - low"),
        (QUniform(0, 1, 0), "q must be above 0"),
        (QUniform(1, 0, 0.1), "low must be below high"),
        (QUniform(0.1, 0.9, 1), "a multiple of q must be between low and high"),
        (QUniform(0, 1e300, 1e-300), "q must be larger for such a range"),
        (QUniform(1, 1.000000000001, 1e-18), "q must be larger for such a range"),
        (Normal(0, 0), "std must be above 0"),
        (Normal(1e301, 1), "mean and std must be at most 1e+300 in magnitude"),
        (Choice([]), "values must not be empty"),
        (Choice([1, 2, 1]), "values must differ from each other"),
        (Choice([True, 0, True]), "values must differ from each other"),
        (Choice([1, 1.0]), "values must differ from each other"),
        (Choice([[1, {"a": 2}], [1, {"a": 2}]]), "values must differ from each other"),
        (
            Grid([1, "1"]),
            "values must also differ in the text that tables store, where 1 and '1' are the same",
        ),
        (
            Choice([None, "null"]),
            "values must also differ in the text that tables store, where None and 'null' are the same",
        ),
        (Switch({}), "branches must not be empty"),
        (
            Switch({"ok": {}, "kind": {}, "a.b": {}}),
            "branches must have names of letters, digits, '_' and '-', at most 63, and not 'kind' or 'branches'; "
            "found 'kind', 'a.b'",
        ),
    ],
)
def test_faults_have_messages(domain: Any, fault: str) -> None:
    """Each kind of fault of a domain has its own message."""
    assert [found.allowed for found in domain.faults()] == [fault]


def test_every_value_is_drawn() -> None:
    """Both ends of a range, all multiples and all listed values are drawn."""
    rng = np.random.default_rng(0)
    for domain, values in (
        (IntUniform(1, 4), {1, 2, 3, 4}),
        (IntUniform(1, 4, log=True), {1, 2, 3, 4}),
        (QUniform(0, 0.3, 0.1), {0.0, 0.1, 0.2, 0.3}),
        (Choice(["a", "b", "c"]), {"a", "b", "c"}),
        (Grid([True, False]), {True, False}),
    ):
        assert {domain.draw(rng) for _ in range(200)} == values
