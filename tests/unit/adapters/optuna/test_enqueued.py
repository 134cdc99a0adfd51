"""Trials that a program enqueues."""

from pipeline import Choice, IntUniform, LogUniform, Switch, Uniform
from pipeline.adapters.optuna.enqueued import enqueued_configs


def test_enqueued_values_are_those_of_a_config() -> None:
    """Enqueued values have a config's names, branches and labels, and those that are not in the space are named."""
    space = {
        "x": Uniform(0, 1),
        "kind": Switch({"a": {"depth": IntUniform(1, 3)}, "None": {}}),
        "f": Choice(("len", "max")),
        "sizes": Choice(([8], [8, 16])),
        "fixed": 3,
    }
    enqueued = [
        {"X": 0.5, "kind": "a", "depth": 2},
        {"kind": None, "f": max, "sizes": (8, 16), "fixed": 3},
        {"X": 2.5, "depth": 9, "other": 1, "f": min},
        {"X": 2.5, "f": len},
    ]
    configs, outside = enqueued_configs(enqueued, space)
    assert configs == [
        {"x": 0.5, "kind": "a", "depth": 2},
        {"kind": "None", "f": "max", "sizes": (8, 16)},
        {"f": "len"},
    ]
    assert outside == ["X=2.5", "depth=9", "other=1", f"f={min!r}"]


def test_a_value_of_a_branch_counts_only_beside_that_branch() -> None:
    """A value of a branch that is not enqueued is named, and one of a branch that another value excludes is not."""
    space = {
        "kind": Switch({"a": {"depth": IntUniform(1, 3), "x": Uniform(0, 1)}, "b": {"x": Uniform(5, 6), "on": True}}),
        "y": Uniform(0, 1),
    }
    enqueued = [
        {"kind": "b", "depth": 2, "x": 5.5, "y": 0.5},
        {"kind": "b", "x": 0.5},
        {"kind": "c", "depth": 3, "y": 0.25},
        {"depth": 1},
    ]
    configs, outside = enqueued_configs(enqueued, space)
    assert configs == [{"kind": "b", "x": 5.5, "y": 0.5}, {"kind": "b"}, {"y": 0.25}]
    assert outside == ["x=0.5", "kind='c'", "depth=3", "depth=1"]


def test_both_ends_of_a_range_are_values() -> None:
    """An enqueued value at either end of a range is in the space, as in Optuna."""
    space = {"x": Uniform(0, 1), "lr": LogUniform(0.001, 0.1)}
    enqueued = [{"x": 0.0, "lr": 0.1}, {"x": 1, "lr": 0.001}, {"x": 1.5, "lr": 0.2}]
    assert enqueued_configs(enqueued, space) == (enqueued[:2], ["x=1.5", "lr=0.2"])
