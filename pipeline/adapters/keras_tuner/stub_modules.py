"""The names of KerasTuner that a program needs up to its search, so that KerasTuner need not be installed.

Where KerasTuner is installed, its own names are used, and only its tuners and HyperParameters are replaced.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from pipeline.adapters.attributes import replaced_attributes
from pipeline.adapters.keras_tuner.errors import ERRORS
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.sklearn_tuner import SklearnTuner
from pipeline.adapters.keras_tuner.tuners import ORACLES, TUNERS, HyperModel, Objective
from pipeline.adapters.user_code import refused

_NAMES = ("keras_tuner", "kerastuner")
_PARTS = (
    "tuners",
    "engine",
    "engine.hyperparameters",
    "engine.hypermodel",
    "engine.tuner",
    "engine.objective",
    "oracles",
    "errors",
    "applications",
)


@contextmanager
def patches() -> Iterator[None]:
    """A context in which KerasTuner's tuners end the program where they would search."""
    installed = "keras_tuner" in sys.modules and not isinstance(sys.modules["keras_tuner"], _StubModule)
    if installed or ("keras_tuner" not in sys.modules and importlib.util.find_spec("keras_tuner") is not None):
        with _patched(importlib.import_module("keras_tuner")):
            yield
        return
    with _stub_modules():
        yield


@contextmanager
def _patched(library: ModuleType) -> Iterator[None]:
    hyperparameters = f"{library.__name__}.engine.hyperparameters"
    modules = [library, library.tuners, *(module for name, module in sys.modules.items() if name == hyperparameters)]
    # A program's own HyperParameters say its ranges, as those that a build gets.
    replacements = (*TUNERS, SklearnTuner, HyperParameters)
    with replaced_attributes(
        (module, each.__name__, each) for module in modules for each in replacements if hasattr(module, each.__name__)
    ):
        yield


@contextmanager
def _stub_modules() -> Iterator[None]:
    added: dict[str, ModuleType] = {}
    for top in _NAMES:
        for part in ("", *_PARTS):
            name = f"{top}.{part}" if part else top
            if name not in sys.modules:
                added[name] = _StubModule(name)
    sys.modules.update(added)
    for name, module in added.items():
        parent, _, own = name.rpartition(".")
        if parent in added:
            setattr(added[parent], own, module)
    try:
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)


class _StubModule(ModuleType):
    """Has the names that a program needs to define its hypermodel and to begin its search."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self.__version__ = "1.4.8"
        for each in (HyperModel, HyperParameters, Objective, SklearnTuner, *TUNERS):
            setattr(self, each.__name__, each)
        if name.endswith(".oracles"):
            vars(self).update(ORACLES)
        if name.endswith(".errors") or "." not in name:
            vars(self).update(ERRORS)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        allowed = (
            "must be a HyperModel, HyperParameters, Objective or one of the tuners RandomSearch, BayesianOptimization, "
            "Hyperband, GridSearch and SklearnTuner, unless keras-tuner is installed"
        )
        raise refused("the program", f"{self.__name__}.{name}", allowed)
