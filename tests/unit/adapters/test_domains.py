"""Domains from the arguments of other libraries."""

from typing import Any

import numpy as np
import pytest

from pipeline import IntUniform, LogUniform, QUniform, Uniform
from pipeline.adapters.domains import choice, distinct, floats, identity, integers, listed, probes
from pipeline.space import Choice


def test_probes_are_all_of_few_values_and_the_ends_of_many() -> None:
    """The probes of a domain are all of its values if they are few, or else its ends, and a constant has none."""
    assert probes(Choice(("a", "b"))) == ["a", "b"]
    assert probes(IntUniform(1, 3)) == [1, 2, 3]
    assert probes(IntUniform(1, 30)) == [30, 1]
    assert probes(IntUniform(1, 5)) == [5, 1]
    assert probes(IntUniform(1, 5), few=5) == [1, 2, 3, 4, 5]
    assert probes(3) == []


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (integers(1, 9, 2, log=False), IntUniform(1, 9, step=2)),
        (integers(1, 2, 3), 1),
        (floats(0, 1), Uniform(0, 1)),
        (floats(1, 9, log=True), LogUniform(1, 9)),
        (floats(0.5, 0.5, log=True), 0.5),
        (floats(0.2, 0.8, 0.2), QUniform(0.2, 0.8, 0.2)),
        (floats(0.3, 0.8, 0.2), Choice((0.3, 0.5, 0.7))),
        (floats(0.3, 0.4, 0.2), 0.3),
        (choice(["a", "b"]), Choice(("a", "b"))),
        (choice([None]), None),
    ],
)
def test_a_range_is_a_domain(domain: Any, expected: Any) -> None:
    """A range of another library becomes a domain with its steps, and a range with one value becomes a constant."""
    assert domain == expected


def test_too_many_steps_are_refused() -> None:
    """A float range whose steps would have to be listed is refused if there are more than 1000 of them."""
    with pytest.raises(ValueError, match="at most 1000 steps"):
        floats(0.00005, 1, 0.0001)


def test_few_values_are_listed() -> None:
    """A choice, a short range of integers and a constant have a list of values, and other domains have none."""
    assert listed(Choice((1, "a"))) == [1, "a"]
    assert listed(IntUniform(1, 9, step=4)) == [1, 5, 9]
    assert listed("a") == ["a"]
    assert listed(IntUniform(1, 65)) is listed(Uniform(0, 1)) is None


def test_values_are_the_same_as_a_config_has_them() -> None:
    """A tuple is the same value as a list, a scalar of NumPy as a number, and True differs from 1."""
    assert distinct([True, 1, 1.0, (1, 2), [1, 2], "1", np.int64(1), None]) == [True, 1, 1.0, (1, 2), "1", None]
    assert identity({"b": 1, "a": (2,)}) == identity({"a": [2], "b": 1})
    assert distinct([int, int, {1: int, "a": 2}]) == [int, {1: int, "a": 2}]
