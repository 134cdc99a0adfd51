"""Spaces of every kind of parameter, for tests of searchers."""

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Normal, QUniform, Switch, Uniform

LISTED = {"a": Grid([1, 2, 3]), "b": Choice(["x", "y"]), "fixed": 0.5, "c": Grid([True, False])}
"""Every parameter has a list of values."""

BRANCHES = {
    "plain": {},
    "deep": {"g": Grid([1, 2]), "inner": Switch({"no": {}, "yes": {"h": Choice([1.5, 2.5]), "i": "fixed"}})},
    "other": {"g": Grid([2, 3])},
}
"""Branches whose parameters have lists of values."""

_NUMBERS = {"warm": Uniform(0, 1), "decay": LogUniform(0.01, 1), "k": IntUniform(0, 9)}

ENDLESS = {
    **LISTED,
    "layers": Choice([None, [64, 32], {"units": [8]}, "auto"]),
    "shape": [3, {"deep": True}],
    "lr": LogUniform(1e-4, 1),
    "u": Uniform(-1, 1),
    "n": IntUniform(1, 5),
    "q": QUniform(0, 1, 0.1),
    "z": Normal(0, 1),
    "s": Switch({**BRANCHES, "rates": _NUMBERS}),
}
"""A parameter of every kind, also within branches."""
