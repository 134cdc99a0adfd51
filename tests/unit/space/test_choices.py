"""Domains of listed values."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from pipeline.space import (
    Choice,
    Space,
    combination,
    draw,
    key_of,
)
from pipeline.space.column_values import column_type, column_value, config_value

_SPACE: TypeAdapter[Any] = TypeAdapter(Space)


def test_lists_keep_their_types_apart() -> None:
    """1, 1.0, True and "1" are four values, even in lists and dicts; the order of keys does not matter."""
    domain = Choice([[1], [1.0], [True], ["1"], {"a": 1, "b": [None]}])
    assert not domain.faults()
    assert [domain.number(value) for value in ([1], [1.0], [True], ["1"])] == [0, 1, 2, 3]
    assert domain.number({"b": [None], "a": 1}) == 4
    assert not domain.contains([1.5])
    assert not domain.contains(None)
    assert not domain.contains({"a": 1.0, "b": [None]})
    with pytest.raises(ValueError, match="not one of the values"):
        domain.number(1)


def test_an_array_of_one_axis_is_a_list_of_values() -> None:
    """An array gives the values of a choice, unless it has no axis: that is refused as no list."""
    read = _SPACE.validate_python({"a": Choice(np.array([1, 2]))})  # type: ignore[arg-type]
    assert read["a"].values == (1, 2)
    with pytest.raises(ValueError, match="valid tuple"):
        _SPACE.validate_python({"a": {"kind": "choice", "values": np.array(1)}})


def test_true_and_false_are_no_numbers() -> None:
    """True and 1, and False and 0, are different values of a choice, which its column stores and gives back apart."""
    domain = Choice([1, True, 0, False])
    assert not domain.faults()
    assert [domain.number(value) for value in domain.values] == [0, 1, 2, 3]
    type_ = column_type(domain)
    cells = [column_value(value, type_) for value in domain.values]
    assert cells == ["1", "true", "0", "false"]
    assert [key_of(config_value(cell, domain.values)) for cell in cells] == cells


def test_changing_a_drawn_list_changes_no_other_config() -> None:
    """A list that is drawn, moved to or fixed belongs to one config, so that changing it changes no other."""
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


def test_neighbours_are_taken_in_the_order_of_the_list() -> None:
    """A perturbed choice moves to the next or the previous listed value, and stays at the ends."""
    domain, rng = Choice([None, [32], [64, 32]]), np.random.default_rng(0)
    assert domain.perturb(None, 1.2, rng) == [32]
    assert domain.perturb([32], 1.2, rng) == [64, 32]
    assert domain.perturb([32], 0.8, rng) is None
    assert domain.perturb(None, 0.8, rng) is None
