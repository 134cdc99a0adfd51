"""The names of suggestions in the source of an objective."""

import builtins
import functools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline.adapters.optuna.suggestion_names import names_in_source
from pipeline.code import load_module

HELPER = """
def build(trial, scale=1):
    return scale * trial.suggest_int("width", 1, 64)


class Builder:
    def build(self, given):
        return given.suggest_int("depth", 1, 4)

    @staticmethod
    def other(given):
        return given.suggest_float("dropout", 0, 1)


class Callback:
    def __init__(self, trial):
        self.trial = trial


class Suggesting:
    def __init__(self, trial):
        self.width = trial.suggest_int("width", 1, 64)
"""

PROGRAM = """
import functools
import optuna
import sites_helper
from sites_helper import Builder, Callback, Suggesting, build

BUILDER = Builder()


def objective(trial):
    lr = trial.suggest_float("lr", 0, 1)
    {body}
    return lr


partial = functools.partial(objective)
wrapped = lambda trial: objective(trial)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module that suggests."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "sites_helper.py").write_text(HELPER)
    yield tmp_path
    for name in ("sites_helper", "sites_program"):
        sys.modules.pop(name, None)


def program(folder: Path, body: str) -> Any:
    """A program whose objective has some code in it."""
    path = folder / "sites_program.py"
    path.write_text(PROGRAM.format(body=body))
    return load_module(path)


@pytest.mark.parametrize(
    ("body", "more"),
    [
        ("pass", set()),
        ("build(trial)", {"width"}),
        ("build(scale=2, trial=trial)", {"width"}),
        ("sites_helper.build(trial, 2)", {"width"}),
        ("BUILDER.build(trial)", {"depth"}),
        ("Builder.other(trial)", {"dropout"}),
        ("Callback(trial)", set()),
        ("optuna.integration.TFKerasPruningCallback(trial, 'loss')", set()),
        ("print(trial, f'{trial}', trial is None)", set()),
        ("trial.suggest_int(name='n', low=1, high=2)", {"n"}),
    ],
)
def test_names_in_other_functions_count(folder: Path, body: str, more: set[str]) -> None:
    """Names that functions of other modules and methods suggest are found, and callbacks suggest nothing."""
    module = program(folder, body)
    for objective in (module.objective, module.partial, module.wrapped):
        assert names_in_source(objective) == {"lr", *more}


def test_a_replaced_function_of_python_suggests_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trial may be printed where a library prints by its own function, as Ray does."""
    monkeypatch.setattr(builtins, "print", lambda *_: None)
    assert names_in_source(program(folder, "print(trial)").objective) == {"lr"}


@pytest.mark.parametrize(
    "body",
    [
        "Suggesting(trial)",
        "unknown = [trial]",
        "other = trial",
        "suggest = trial.suggest_int",
        "getattr(trial, 'suggest_int')('n', 1, 2)",
        "functools.partial(build, trial)()",
        "local = Builder(); local.build(trial)",
        "[build(trial) for _ in range(2)]",
        "trial.suggest_int(f'n_{lr}', 1, 2)",
        "build(*[1], **{'trial': trial})",
    ],
)
def test_names_that_the_source_does_not_say_are_unknown(folder: Path, body: str) -> None:
    """Code that may suggest what no source says, because it gets the trial in another way, leaves the names unknown."""
    assert names_in_source(program(folder, body).objective) is None


def test_an_objective_without_source_has_unknown_names() -> None:
    """An object, a function of a library and a text that no file has leave the names unknown."""
    assert names_in_source(functools.partial(print, 1)) is None
    assert names_in_source(optuna.create_study) is None
    assert names_in_source(eval("lambda trial: trial.suggest_int('n', 1, 2)")) is None
