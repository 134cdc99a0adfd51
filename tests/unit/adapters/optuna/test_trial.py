"""The trial of an objective."""

from pathlib import Path
from typing import Any

import optuna
import pytest

from pipeline import IntUniform, LogUniform, QUniform, Uniform
from pipeline.adapters.optuna.trial import Trial
from pipeline.adapters.parameters import Hyperparameter
from pipeline.errors import InvalidJob
from pipeline.space import Choice


def test_a_suggestion_that_no_run_has_shown_is_reported() -> None:
    """A suggestion that was not found when the space was explored is an error with its line."""
    with pytest.raises(ValueError, match=r"test_trial.py, line \d+: the suggestion 'x' was not found"):
        Trial({}, lambda *_: None).suggest_float("x", 0, 1)


@pytest.mark.parametrize(
    ("suggest", "domain"),
    [
        (lambda trial: trial.suggest_float("x", 1e-3, 1, log=True), LogUniform(1e-3, 1)),
        (lambda trial: trial.suggest_float("x", 0, 1, step=0.25), QUniform(0, 1, 0.25)),
        (lambda trial: trial.suggest_float("x", 0.1, 1, step=0.3), Choice((0.1, 0.4, 0.7, 1.0))),
        (lambda trial: trial.suggest_int("x", 1, 9, step=4), IntUniform(1, 9, step=4)),
        (lambda trial: trial.suggest_int("x", 3, 3), 3),
        (lambda trial: trial.suggest_categorical("x", ["a"]), "a"),
        (lambda trial: trial.suggest_uniform("x", 0, 1), Uniform(0, 1)),
        (lambda trial: trial.suggest_loguniform("x", 1, 2), LogUniform(1, 2)),
        (lambda trial: trial.suggest_discrete_uniform("x", 0, 1, 0.5), QUniform(0, 1, 0.5)),
    ],
)
def test_a_suggestion_has_a_domain(suggest: Any, domain: Any) -> None:
    """Each suggestion of a trial is recorded with its domain, and a repeated suggestion has the same value."""
    seen: list[Hyperparameter] = []
    trial = Trial({}, lambda *_: None, seen.append)
    assert suggest(trial) == suggest(trial)
    assert [(one.name, one.domain) for one in seen] == [("x", domain)] * 2


def test_a_choice_has_one_of_the_values_of_the_objective() -> None:
    """A suggestion of tuples or lists has the objective's own value where the config has a list."""
    tuples, lists = [(32,), (64, 32)], [[32], [64, 32]]
    trial = Trial({"sizes": [64, 32], "layers": [64, 32], "flag": True}, lambda *_: None)
    assert trial.suggest_categorical("sizes", tuples) is tuples[1]
    assert trial.suggest_categorical("layers", lists) is lists[1]
    assert trial.suggest_categorical("flag", [1, True]) is True
    assert trial.params == {"sizes": (64, 32), "layers": [64, 32], "flag": True}


@pytest.mark.parametrize(
    ("suggest", "message"),
    [
        (lambda trial: trial.suggest_float("x", 0, 1, log=True), "low must be above 0; found 'x'"),
        (lambda trial: trial.suggest_float("x", 2, 1), "must have its smallest value first; found 'x from 2 to 1'"),
        (lambda trial: trial.suggest_int("x", 2, 1), "must have its smallest value first; found 'x from 2 to 1'"),
        (lambda trial: trial.suggest_categorical("x", [1, 1.0]), "values must differ from each other; found 'x'"),
    ],
)
def test_a_suggestion_that_optuna_refuses_is_refused_with_its_line(suggest: Any, message: str) -> None:
    """A suggestion with a range that has no values, or equal choices, is refused with its line."""
    with pytest.raises(InvalidJob, match=rf"test_trial.py, line \d+: {message}"):
        suggest(Trial({}, lambda *_: None, lambda _: None))


def test_functions_of_optuna_keep_what_they_know_of_a_trial(tmp_path: Path) -> None:
    """A trial is one of Optuna's, with a study in memory: an artifact of it can be stored and listed."""
    trial = Trial({}, lambda *_: None)
    assert isinstance(trial, optuna.Trial)
    (tmp_path / "file.txt").write_text("text")
    (tmp_path / "artifacts").mkdir()
    store = optuna.artifacts.FileSystemArtifactStore(tmp_path / "artifacts")
    kept = optuna.artifacts.upload_artifact(
        artifact_store=store, file_path=str(tmp_path / "file.txt"), study_or_trial=trial
    )
    with store.open_reader(kept) as reader:
        assert reader.read() == b"text"


def test_a_constraint_keeps_its_first_value() -> None:
    """A constraint of a trial keeps its first value, as in Optuna."""
    trial = Trial({}, lambda *_: None)
    trial.set_constraint("size", 2)
    trial.set_constraint("size", 3)
    assert trial.constraints == {"size": 2.0}


def test_choices_may_be_functions_and_classes() -> None:
    """Functions and classes among choices are shown by their names, and the objective gets them themselves."""
    seen: list[Any] = []
    trial = Trial({}, lambda *_: None, seen.append)
    assert trial.suggest_categorical("f", [len, max, "max2", 3]) is len
    assert seen[0].domain == Choice(("len", "max", "max2", 3))
    assert Trial({"f": "max"}, lambda *_: None).suggest_categorical("f", [len, max, "max2", 3]) is max
    with pytest.raises(InvalidJob, match="functions and classes with names"):
        trial.suggest_categorical("g", [object(), object()])


def test_only_the_first_value_of_a_step_counts() -> None:
    """A step that is reported again has its first value, and a negative step is an error, as in Optuna."""
    seen: list[float] = []
    trial = Trial({}, lambda value, _: seen.append(value))
    for value, step in ((1.0, 0), (2.0, 1), (3.0, 0), (4.0, 2)):
        trial.report(value, step)
    assert seen == [1.0, 2.0, 4.0]
    with pytest.raises(ValueError, match=r"line \d+: the step of a report must be at least 0; found -1"):
        trial.report(1.0, -1)
