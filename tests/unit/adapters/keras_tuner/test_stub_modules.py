"""The names of KerasTuner, where it is not installed."""

import importlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.adapters import from_file
from pipeline.adapters.keras_tuner.hyperparameters import HyperParameters
from pipeline.adapters.keras_tuner.stub_modules import patches
from pipeline.adapters.keras_tuner.tuners import HyperModel, RandomSearch
from pipeline.errors import InvalidJob


@pytest.fixture(autouse=True)
def without_keras_tuner(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment in which KerasTuner is not installed."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda *_: None)
    for name in [name for name in sys.modules if name.partition(".")[0] in ("keras_tuner", "kerastuner")]:
        monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize("name", ["keras_tuner", "kerastuner"])
def test_a_program_finds_the_names_that_it_needs(name: str) -> None:
    """Without KerasTuner, a program can import its hypermodels, hyperparameters and tuners only within the context."""
    with patches():
        library = importlib.import_module(name)
        assert library.HyperModel is HyperModel
        assert importlib.import_module(f"{name}.engine.hyperparameters").HyperParameters is HyperParameters
        assert issubclass(importlib.import_module(f"{name}.oracles").HyperbandOracle, object)
        assert {"RandomSearch", "GridSearch", "BayesianOptimization", "Hyperband"} <= set(dir(library))
    assert name not in sys.modules


def test_an_installed_keras_tuner_has_other_tuners_and_hyperparameters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where KerasTuner is installed, its tuners and HyperParameters are replaced only within the context."""

    class Theirs:
        """Stands in for a class of KerasTuner."""

    names = ("RandomSearch", "HyperParameters", "HyperModel")
    modules = ("keras_tuner", "keras_tuner.tuners", "keras_tuner.engine.hyperparameters")
    library, tuners, engine = (ModuleType(name) for name in modules)
    for module in (library, tuners, engine):
        monkeypatch.setitem(sys.modules, module.__name__, module)
        vars(module).update(dict.fromkeys(names, Theirs))
    library.tuners = tuners  # type: ignore[attr-defined]
    with patches():
        assert (library.RandomSearch, tuners.RandomSearch) == (RandomSearch, RandomSearch)
        assert (library.HyperParameters, engine.HyperParameters) == (HyperParameters, HyperParameters)
        assert library.HyperModel is Theirs
    assert {getattr(module, name) for module in (library, tuners, engine) for name in names} == {Theirs}


def test_another_name_is_refused() -> None:
    """A KerasTuner name that the stand-in lacks is refused with the names that it has."""
    with (
        patches(),
        pytest.raises(InvalidJob, match=r"(?s)Hyperband, GridSearch and SklearnTuner.*keras_tuner\.HyperResNet"),
    ):
        importlib.import_module("keras_tuner").HyperResNet  # noqa: B018


def test_other_names_of_keras_tuner_are_refused_with_their_line(program: Callable[[str], str], tmp_path: Path) -> None:
    """A program that uses a KerasTuner name without a stand-in is refused with the line of its use."""
    path = Path(program("kt_plain.py")).with_name("kt_other.py")
    for text in (
        "import keras_tuner as kt\n\nAPPLICATION = kt.applications.HyperResNet\n",
        "# A comment.\n\nfrom keras_tuner.applications import HyperResNet\n",
    ):
        path.write_text(text)
        with pytest.raises(InvalidJob, match=r"kt_other.py, line 3: must be a HyperModel.*found 'keras_tuner.applica"):
            from_file(f"{path}:build", "keras-tuner", {})
