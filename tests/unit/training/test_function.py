"""A plain function as a learner."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import ModelError
from pipeline.study import Objective, TuneJob
from pipeline.training.base import TrainingEnded
from pipeline.training.function import FunctionLearner
from pipeline.training.workplace import Workplace

CLOSED: list[int] = []


def counting(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Counts from a number, and notes when it is closed."""
    at = config["start"]
    try:
        while True:
            at += 1
            yield {"at": at}
    finally:
        CLOSED.append(at)


def test_takes_a_step_for_each_epoch() -> None:
    """Each epoch is the next dict that the function yields."""
    learner = FunctionLearner(counting, {"start": 4})
    results = [learner.run_epoch() for _ in range(3)]
    assert [result.metrics for result in results] == [{"at": 5.0}, {"at": 6.0}, {"at": 7.0}]
    assert [result.last for result in results] == [False] * 3
    assert results[0].learning_rate is None
    assert learner.model_epoch == 3


def test_close_ends_the_function() -> None:
    """The function's own clean-up runs when the trial is closed, also before its first step and twice."""
    CLOSED.clear()
    learner = FunctionLearner(counting, {"start": 0})
    learner.run_epoch()
    learner.close()
    learner.close()
    FunctionLearner(counting, {"start": 0}).close()
    assert CLOSED == [1]


def test_function_that_returns_has_one_step() -> None:
    """A returned dict is the only epoch, and the last."""
    result = FunctionLearner(lambda config: {"y": config["x"] ** 2}, {"x": 3}).run_epoch()
    assert result.metrics == {"y": 9.0}
    assert result.last


def test_goes_on_by_replaying() -> None:
    """The function starts again, and its steps are taken up to the place that was saved."""
    learner = FunctionLearner(counting, {"start": 0})
    for _ in range(3):
        learner.run_epoch()
    again = FunctionLearner(counting, {"start": 0})
    again.load(learner.save())
    assert again.model_epoch == 3
    assert again.run_epoch().metrics == {"at": 4.0}


def test_steps_of_another_trial_are_refused() -> None:
    """There are no weights to take over."""
    learner = FunctionLearner(counting, {"start": 0})
    with pytest.raises(ModelError, match="cannot be taken over by another trial"):
        learner.load(learner.save(), exploit=True)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _: None, "returned NoneType; it must yield a dict"),
        (lambda _: 3.0, "returned float; it must yield a dict"),
        (lambda _: iter([3.0]), "gave float 3.0 at step 1; a dict"),
        (lambda _: iter([{}]), "a dict of metric names and numbers"),
        (lambda _: iter([{"y": "high"}]), "every metric must be a number"),
        (lambda _: iter([]), "ended before its first step"),
    ],
)
def test_what_is_no_metric_is_refused(function: Any, message: str) -> None:
    """The message tells what the function gave, and what it should give."""
    with pytest.raises(ModelError, match=message):
        FunctionLearner(function, {}).run_epoch()


def test_error_of_the_function_is_its_own() -> None:
    """What the user's code raises is not wrapped."""

    def fails(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        yield {"y": 1.0}
        raise ZeroDivisionError("mine")

    learner = FunctionLearner(fails, {})
    learner.run_epoch()
    with pytest.raises(ZeroDivisionError, match="mine"):
        learner.run_epoch()


def test_config_is_a_copy() -> None:
    """A function that changes its config does not change the trial's."""
    config = {"x": 1}
    FunctionLearner(lambda config: config.update(x=2) or {"y": 1.0}, config).run_epoch()
    assert config == {"x": 1}


def test_needs_neither_keras_nor_ray() -> None:
    """A workplace for a function, and a trial in it, import neither TensorFlow nor Keras nor Ray."""
    code = (
        "import sys\n"
        "from tests.unit.training.test_function import job\n"
        "from pipeline.training.workplace import Workplace\n"
        "print(Workplace(job(), None).learner({'start': 1}, seed=0).run_epoch().metrics)\n"
        "print(sorted({'tensorflow', 'keras', 'ray'} & set(sys.modules)))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert told.stdout.splitlines() == ["{'at': 2.0}", "[]"]


def job() -> TuneJob:
    """A job of the counting function."""
    return TuneJob(name="f", function=counting, space={"start": 1}, objectives=[Objective("at", "max")])


def test_workplace_makes_function_learners() -> None:
    """A job with a function needs no data."""
    assert isinstance(Workplace(job(), None).learner({"start": 0}, seed=1), FunctionLearner)


def test_a_function_may_end_before_the_budget():
    """Two steps and no more: the third says that training has ended."""
    learner = FunctionLearner(lambda _: iter([{"y": 1.0}, {"y": 2.0}]), {})
    assert [learner.run_epoch().metrics["y"] for _ in range(2)] == [1.0, 2.0]
    with pytest.raises(TrainingEnded):
        learner.run_epoch()
    assert learner.model_epoch == 2
