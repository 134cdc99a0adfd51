"""All parameters that a space may contain."""

from typing import Any

import pytest

from pipeline.space import Choice, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform, conflicts, flat, walk


def _either(one: Any, other: Any) -> dict[str, Any]:
    return {"s": Switch({"a": {"p": one}, "b": {"p": other}})}


def test_walking_comes_to_every_parameter_with_its_condition() -> None:
    """The walk yields every parameter in the space's order, with its path and the condition of its presence."""
    space = {"x": 1, "s": Switch({"a": {"y": Uniform(0, 1), "t": Switch({"c": {"z": 2}})}, "b": {}})}
    parameters = {parameter.path: parameter for parameter in walk(space)}
    assert list(parameters) == ["x", "s", "s.a.y", "s.a.t", "s.a.t.c.z"]
    assert parameters["s.a.t.c.z"].when == (("s", "a"), ("t", "c"))
    assert parameters["s.a.t.c.z"].is_present({"s": "a", "t": "c"})
    assert not parameters["s.a.t.c.z"].is_present({"s": "b"})
    assert [parameter.name for parameter in parameters.values() if parameter.drawn] == ["s", "y", "t"]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (Uniform(0, 1), Uniform(0.5, 3), Uniform(0, 3)),
        (LogUniform(1, 2), LogUniform(0.1, 1), LogUniform(0.1, 2)),
        (IntUniform(1, 4, log=True), IntUniform(0, 2), IntUniform(0, 4)),
        (IntUniform(0, 12, step=4), IntUniform(6, 30, step=6), IntUniform(0, 30, step=2)),
        (QUniform(0, 1, 0.5), QUniform(0, 2, 0.25), QUniform(0, 2, 0.25)),
        (Normal(0, 1), Normal(6, 1), Normal(3, 2)),
        (Choice((1, 2)), Choice((2, 3)), Choice((1, 2, 3))),
        (1, 2, Choice((1, 2))),
        (1, 1, 1),
    ],
)
def test_a_name_of_several_branches_is_one_parameter(one: Any, other: Any, both: Any) -> None:
    """A name in several branches is one parameter without a conflict, whose domain covers those of the branches."""
    assert conflicts(_either(one, other)) == []
    assert flat(_either(one, other)) == {"s": _either(one, other)["s"], "p": both}


@pytest.mark.parametrize(
    ("one", "other"),
    [(Uniform(0, 1), LogUniform(1, 2)), (Uniform(0, 1), 0.5), (1, "1"), (Choice((1, 2)), Choice((1.0,)))],
)
def test_a_name_must_mean_one_kind_of_thing(one: Any, other: Any) -> None:
    """A name used twice in a space must have one kind of domain, because it is one column and one axis."""
    (fault,) = conflicts(_either(one, other))
    assert fault.field == "space.s.b.p"
    assert fault.allowed.startswith("must have one kind in all branches, as space.s.a.p: ")


@pytest.mark.parametrize(
    ("space", "field", "other"),
    [
        ({"p": 1, "s": Switch({"a": {"p": 2}})}, "space.s.a.p", "space.p"),
        ({"s": Switch({"a": {"s": 2}})}, "space.s.a.s", "space.s"),
        ({"s": Switch({"a": {"p": 1}}), "t": Switch({"b": {"p": 1}})}, "space.t.b.p", "space.s.a.p"),
    ],
)
def test_a_name_cannot_be_there_twice(space: dict[str, Any], field: str, other: str) -> None:
    """A parameter name that may be present twice in one config is a fault that names the other parameter."""
    (fault,) = conflicts(space)
    assert fault.field == field
    assert fault.allowed == f"must have another name: {other} may be present at the same time"


def test_switches_are_at_most_eight_deep() -> None:
    """Switches nested more than eight deep are refused with their path."""
    space: dict[str, Any] = {"p": 1}
    for depth in range(8):
        space = {f"s{depth}": Switch({"a": space})}
    assert conflicts(space) == []
    (fault,) = conflicts({"s8": Switch({"a": space})})
    assert fault.allowed == "must lie within at most 8 switches"
