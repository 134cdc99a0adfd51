"""Hyperparameters as a space."""

import pytest

from pipeline.adapters.parameters import Hyperparameter, branch_text, parameter_name, space_of, typed
from pipeline.errors import InvalidJob
from pipeline.space import Choice, IntUniform, Switch, Uniform


@pytest.mark.parametrize(
    ("name", "parameter"),
    [("lr", "lr"), ("Dense/units 0", "dense_units_0"), ("2nd", "x_2nd"), ("α", "x"), ("learningRate", "learningrate")],
)
def test_names_become_those_of_parameters(name: str, parameter: str) -> None:
    """Names of hyperparameters become parameter names of lower-case letters, digits and underscores."""
    assert parameter_name(name) == parameter


def test_conditions_become_branches() -> None:
    """Conditions of hyperparameters, also nested ones, become branches, and values are converted to their types."""
    found = [
        Hyperparameter("kind", Choice(("a", "b", "c")), "f.py, line 1"),
        Hyperparameter("deep", Choice((True, False)), "f.py, line 2", (("kind", ("a", "b")),)),
        Hyperparameter("rate", Uniform(0, 1), "f.py, line 3", (("kind", ("a", "b")), ("deep", (True,)))),
        Hyperparameter("size", 3, "f.py, line 4", (("kind", ("c",)),)),
    ]
    deep = Switch({"True": {"rate": Uniform(0, 1)}, "False": {}})
    assert space_of(found, "x") == {"kind": Switch({"a": {"deep": deep}, "b": {"deep": deep}, "c": {"size": 3}})}
    assert typed("True", Choice((True, False))) is True
    assert typed("2", IntUniform(1, 3)) == 2
    assert typed("a", Choice(("a", "b"))) == "a"


def test_a_condition_on_one_value_is_none() -> None:
    """A condition on a parameter with one value is always true or always false, and makes no branch."""
    found = [
        Hyperparameter("kind", "a", "", ()),
        Hyperparameter("x", 1, "", (("kind", ("a",)),)),
        Hyperparameter("y", 1, "", (("kind", ("b",)),)),
    ]
    assert space_of(found, "x") == {"kind": "a", "x": 1}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (
            [Hyperparameter("A", 1, "f.py, line 1"), Hyperparameter("a", 2, "f.py, line 2")],
            r"f.py, line 2: must have another name: 'A'",
        ),
        (
            [Hyperparameter("a", Uniform(0, 1), ""), Hyperparameter("b", 2, "f.py, line 2", (("a", (0.5,)),))],
            "f.py, line 2: must depend on a hyperparameter with few values",
        ),
        (
            [Hyperparameter("b", 2, "f.py, line 2", (("a", (0.5,)),))],
            "must not depend on 'a', which is not found before it",
        ),
        (
            [Hyperparameter("a", Choice((0.5, "0_5")), ""), Hyperparameter("b", 2, "f.py, line 2", (("a", (0.5,)),))],
            "must depend on a hyperparameter whose values differ",
        ),
    ],
)
def test_conditions_that_no_space_can_express_are_refused(found: list[Hyperparameter], message: str) -> None:
    """A condition that no space can express is refused with its line and what is allowed."""
    with pytest.raises(InvalidJob, match=message):
        space_of(found, "f.py")


def test_a_branch_has_a_name_that_is_allowed() -> None:
    """Characters that a branch's name may not have become underscores."""
    assert [branch_text(value) for value in ("relu/6", 0.5, -1, True)] == ["relu_6", "0_5", "x-1", "True"]
