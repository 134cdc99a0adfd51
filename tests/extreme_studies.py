"""Extreme studies: almost empty, all failed, equal values, very many trials."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.space import Choice, Grid, IntUniform, LogUniform, Switch, Uniform, draw
from pipeline.storage import layout
from pipeline.study import Objective
from tests.recorded_studies import HOSTILE, Recording, asha_study, tune_job

_LR = {"lr": LogUniform(1e-4, 1.0)}


def _study(
    root: Path,
    name: str,
    curves: list[list[float]],
    space: Mapping[str, Any] = _LR,
    *,
    kinds: tuple[str, ...] = ("complete",),
    reason: str = "trained its epochs",
    state: str = "ended",
    **job: Any,
) -> Recording:
    """A study with these values, trial by trial; trials end by each kind of decision in turn."""
    study = Recording(root, tune_job(name, space=dict(space), scheduler="fifo", **job))
    rng, now = np.random.default_rng(1), 0.0
    for index, curve in enumerate(curves):
        trial, config = layout.trial_id(index), draw(study.job.space, rng, index)
        study.decide(trial, 0, "start", now, "drawn", config_after=config)
        for epoch, value in enumerate(curve, start=1):
            now += 0.5
            study.train(trial, epoch, config, value, now, **{study.job.objective.metric: value})
        kind = kinds[index % len(kinds)]
        if kind:
            study.decide(trial, len(curve), kind, now, reason)
    study.end(now, state)
    return study


def not_yet_a_trial(root: Path) -> Recording:
    """study.json, and a session that has begun."""
    return _study(root, "nothing-yet", [], state="running")


def not_yet_an_epoch(root: Path) -> Recording:
    """Three trials that have started."""
    return _study(root, "no-epoch", [[], [], []], kinds=("",), state="running")


def one_trial_one_epoch(root: Path) -> Recording:
    """The smallest study that has a best value."""
    return _study(root, "one", [[0.5]])


def all_failed(root: Path) -> Recording:
    """Three trials that failed, two with the same error, before and after an epoch."""
    return _study(root, "failed", [[], [0.4], []], kinds=("fail",), reason=f"ValueError: {HOSTILE}", state="failed")


def all_nan(root: Path) -> Recording:
    """Trials without a finite value that did not end yet."""
    return _study(root, "nan", [[float("nan")] * 2] * 3, kinds=("",), state="interrupted")


def all_equal(root: Path) -> Recording:
    """Every epoch of every trial has the same value."""
    return _study(root, "constant", [[0.1] * 4] * 5)


def nothing_tuned(root: Path) -> Recording:
    """A study whose space has only constants."""
    return _study(root, "constants", [[0.1, 0.2], [0.1, 0.3]], {"lr": 0.1, "act": "relu"})


def only_categories(root: Path) -> Recording:
    """No parameter is a number; one has many values, one has one, one has hostile ones."""
    space = {
        "init": Grid(tuple(f"initialiser_{letter}" for letter in "abcdefghijkl")),
        "one": Choice(("same",)),
        "text": Choice((HOSTILE, "$x^2$", "a & b", "日本")),
        "flag": Choice((True, False)),
    }
    return _study(root, "categories", [[0.1 * index, 0.05 * index] for index in range(9)], space)


def whole_numbers_among_floats(root: Path) -> Recording:
    """A choice whose column holds other types than were drawn, and numbers below 0."""
    space = {
        "rate": Choice((0, 0.25, 1)),
        "mix": Choice((2, "auto", True)),
        "layers": Choice([None, [64, 32], {"units": [8, 0.5]}, "auto"]),
        "shape": [3, {"deep": None}],
        "wide": Uniform(-3.0, 3.0),
        "n": IntUniform(-3, 3),
    }
    return _study(root, "mixed", [[0.1 * index] for index in range(8)], space)


def huge_losses(root: Path) -> Recording:
    """A loss that diverges in some trials, and is infinite once."""
    curves = [[2.0, 1.0, 0.5], [3.0, 1e9, 1e30], [2.5, float("inf"), float("nan")], [1e-12, 1e-11, 1e-10]]
    return _study(root, "diverging", curves, objectives=(Objective("val_loss", "min"),))


def many_trials(root: Path) -> Recording:
    """Two hundred trials of successive halving."""
    return asha_study(root, trials=200, epochs=27, name="many")


def branches(root: Path) -> Recording:
    """Parameters that only some trials have, one name in two branches, a switch within a switch."""
    cyclic = {"period": IntUniform(2, 6), "momentum": Uniform(0.5, 0.9)}
    schedule = {
        "constant": {},
        "cyclic": cyclic,
        "decaying": {"decay": LogUniform(0.01, 1.0), "way": Switch({"a": {}})},
    }
    space = {**_LR, "schedule": Switch({**schedule, "plain": {"momentum": Uniform(0.0, 0.5), "nesterov": True}})}
    return _study(root, "branches", [[0.1 * place, 0.2] for place in range(14)], space, kinds=("complete", "fail"))


EDGES: Mapping[str, Callable[[Path], Recording]] = {
    edge.__name__: edge
    for edge in (
        not_yet_a_trial, not_yet_an_epoch, one_trial_one_epoch, all_failed,
        all_nan, all_equal, nothing_tuned, only_categories, whole_numbers_among_floats, huge_losses, many_trials,
        branches,
    )
}  # fmt: skip
"""Each edge by its name."""
