"""What a data function changes, and the models use."""

import functools
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pipeline.study.changed_state import changes_used
from tests.unit.study import module_values


class Encoder:
    """As of scikit-learn."""

    def fit(self, values: list[str]) -> "Encoder":
        """Learn the values."""
        self.classes = sorted(set(values))
        return self


CLASSES: Any = None
OTHER: Any = None
ENCODER = Encoder()
INFO: dict[str, Any] = {}
NAMES: list[str] = []


class Settings:
    """Values in a class."""

    classes = 0


def _describe(rows: list[str]) -> None:
    INFO["classes"] = len(rows)


def sets_global() -> list[str]:
    """It sets a global."""
    global CLASSES
    rows = ["a", "b"]
    CLASSES = len(rows)
    return rows


def fits() -> list[str]:
    """It fits an object."""
    rows = ["a", "b"]
    ENCODER.fit(rows)
    return rows


def calls_what_fills() -> list[str]:
    """A function that it calls fills a dict."""
    rows = ["a", "b"]
    _describe(rows)
    return rows


def appends() -> list[str]:
    """It appends to a list."""
    NAMES.append("a")
    return NAMES


def sets_attribute() -> list[str]:
    """It sets an attribute of a class."""
    Settings.classes = 2
    return []


def changes_its_own(config: dict[str, Any]) -> list[str]:
    """It changes only what it makes, and its own config."""
    rows = ["a"]
    rows.append("b")
    config["rows"] = rows
    encoder = Encoder()
    encoder.fit(rows)
    return rows


def calls_library() -> Any:
    """It calls functions of a library that are named as methods that change their object."""
    return np.append(np.add([1], 1), 2), np.ma.append([1], [2])


def sets_in_library() -> list[str]:
    """It sets something in a library."""
    os.environ["TUNEPIPE_TEST"] = "1"
    return []


def calls_own_module() -> list[str]:
    """It calls a function of the user's module that is named as such a method."""
    return module_values.add(["a"])


def sets_in_own_module() -> list[str]:
    """It sets a variable of the user's module."""
    module_values.CLASSES = 2
    return []


def fills_in_own_module() -> list[str]:
    """It fills a list of the user's module."""
    module_values.NAMES.append("a")
    return []


class Experiment:
    """Methods as functions of a job."""

    def __init__(self) -> None:
        self.classes = 0

    def load(self) -> list[str]:
        """It calls a method that sets an attribute."""
        self.describe()
        return []

    def describe(self) -> None:
        """It sets an attribute."""
        self.classes = 2

    def pure(self) -> list[str]:
        """It changes nothing."""
        return []

    def build(self, config: dict[str, Any]) -> int:
        """It uses the attribute."""
        return self.classes


EXPERIMENT = Experiment()


def _in_factory() -> tuple[Callable[[], Any], Callable[[], Any]]:
    found: dict[str, Any] = {}

    def load() -> None:
        found["classes"] = 2

    return load, lambda: found


_LOAD, _BUILD = _in_factory()


@pytest.mark.parametrize(
    ("function", "other", "used"),
    [
        (sets_global, lambda: CLASSES, True),
        (sets_global, lambda: OTHER, False),
        (fits, lambda: ENCODER.classes, True),
        (calls_what_fills, lambda: INFO["classes"], True),
        (appends, lambda: len(NAMES), True),
        (sets_attribute, lambda: Settings.classes, True),
        (sets_attribute, lambda: 1, False),
        (changes_its_own, lambda: (ENCODER, INFO, NAMES), False),
        (calls_library, lambda: np.ma.zeros(1), False),
        (sets_in_library, lambda: os.environ, False),
        (calls_own_module, lambda: module_values.NAMES, False),
        (sets_in_own_module, lambda: module_values.CLASSES, True),
        (fills_in_own_module, lambda: module_values.NAMES, True),
        (functools.partial(sets_global), lambda: CLASSES, True),
        (EXPERIMENT.load, EXPERIMENT.build, True),
        (EXPERIMENT.pure, EXPERIMENT.build, False),
        (lambda: EXPERIMENT.load(), lambda: EXPERIMENT.build({}), True),
        (Experiment().load, EXPERIMENT.build, False),
        (_LOAD, _BUILD, True),
    ],
)
def test_changes_of_what_others_use_are_found(function: Any, other: Any, used: bool) -> None:
    """Globals, attributes, containers and fitted objects count where others use them; own objects do not."""
    assert changes_used(function, [other]) is used


def test_a_function_without_a_file_changes_nothing() -> None:
    """The source of a function that was typed in is not known."""
    home: dict[str, Any] = {"__name__": "__main__"}
    exec("def load():\n    global found\n    found = 1\n\ndef build():\n    return found\n", home)
    assert not changes_used(home["load"], [home["build"]])
