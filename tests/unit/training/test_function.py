"""A plain function as a learner."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ModelError
from pipeline.study import Objective, TuneJob
from pipeline.study.context import continued_from
from pipeline.training.base import TrainingEnded
from pipeline.training.function import FunctionLearner, state_of
from pipeline.training.trainer_factory import TrainerFactory

CLOSED: list[int] = []


def counting(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Counts from a number, and records that it is closed."""
    at = config["start"]
    try:
        while True:
            at += 1
            yield {"at": at}
    finally:
        CLOSED.append(at)


def test_takes_a_step_for_each_epoch() -> None:
    """Each epoch has the next dict that the function yields."""
    learner = FunctionLearner(counting, {"start": 4})
    results = [learner.run_epoch() for _ in range(3)]
    assert [result.metrics for result in results] == [{"at": 5.0}, {"at": 6.0}, {"at": 7.0}]
    assert [result.last for result in results] == [False] * 3
    assert results[0].learning_rate is None
    assert learner.model_epoch == 3


def test_close_ends_the_function() -> None:
    """Closing the trial runs the function's own clean-up, also before its first step and when repeated."""
    CLOSED.clear()
    learner = FunctionLearner(counting, {"start": 0})
    learner.run_epoch()
    learner.close()
    learner.close()
    FunctionLearner(counting, {"start": 0}).close()
    assert CLOSED == [1]


ENDED: list[str] = []


def constant(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """Takes three steps, or five; the source says that its config has their number."""
    if config["long"]:
        config = {**config, "steps": 5}
    for step in range(config["steps"]):
        yield {"at": step + np.random.random()}
    ENDED.append("saved")


def delegating(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    """The steps of another generator."""
    yield from constant(config)


def test_a_function_runs_to_its_end_after_its_last_step() -> None:
    """A function whose source says how many steps it takes can run to its end after the last one, and not before."""
    ENDED.clear()
    learner = FunctionLearner(constant, {"long": False, "steps": 3})
    for _ in range(2):
        learner.run_epoch()
        assert not learner.unfinished
    assert not learner.run_epoch().last
    assert learner.unfinished
    assert ENDED == []
    learner.finish()
    assert ENDED == ["saved"]
    assert not learner.unfinished
    with pytest.raises(TrainingEnded):
        learner.run_epoch()


@pytest.mark.parametrize("function", [lambda config: constant(config), lambda config: delegating(config)])
def test_a_function_that_returns_a_generator_runs_to_its_end(function: Any) -> None:
    """A generator that a function returns, or yields from, says how many steps it takes, and can run to its end."""
    ENDED.clear()
    learner = FunctionLearner(function, {"long": False, "steps": 3})
    for _ in range(3):
        assert not learner.unfinished
        learner.run_epoch()
    assert learner.unfinished
    assert learner.finish()
    assert ENDED == ["saved"]


def test_a_function_that_is_replayed_to_its_last_step_does_not_run_to_its_end() -> None:
    """Loading a state repeats the steps of a function without a state, and not the code after the last one."""
    ENDED.clear()
    learner = FunctionLearner(constant, {"long": False, "steps": 3})
    for _ in range(3):
        learner.run_epoch()
    again = FunctionLearner(constant, {"long": False, "steps": 3})
    again.load(learner.save())
    assert (again.model_epoch, ENDED) == (3, [])


def test_a_function_that_takes_more_steps_than_its_source_says_takes_them_all() -> None:
    """Where a function goes on after the last step of its source, no step is lost, and a state belongs to its step."""

    def values(steps: int) -> list[float]:
        learner = FunctionLearner(constant, {"long": True, "steps": 3}, seed=3)
        return [learner.run_epoch().metrics["at"] for _ in range(steps)]

    learner = FunctionLearner(constant, {"long": True, "steps": 3}, seed=3)
    for _ in range(3):
        learner.run_epoch()
    learner.finish()
    again = FunctionLearner(constant, {"long": True, "steps": 3}, seed=3)
    again.load(learner.save())
    np.random.seed(0)
    assert [learner.run_epoch().metrics["at"] for _ in range(2)] == values(5)[3:]
    assert [again.run_epoch().metrics["at"] for _ in range(2)] == values(5)[3:]
    with pytest.raises(TrainingEnded):
        learner.run_epoch()


def test_the_time_of_a_step_that_is_taken_ahead_is_that_of_its_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a function goes on after the last step of its source, that step's epoch has the seconds of the step."""
    now = [0.0]

    def slow(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        config = {**config, "steps": 2}
        for _ in range(config["steps"]):
            now[0] += 7.0
            yield {"y": 1.0}

    monkeypatch.setattr("pipeline.training.function.time.perf_counter", lambda: now[0])
    learner = FunctionLearner(slow, {"steps": 1})
    assert learner.run_epoch().seconds_train == 7.0
    learner.finish()
    assert learner.run_epoch().seconds_train == 7.0


def test_an_error_after_the_last_step_is_that_of_the_function() -> None:
    """An error after the last step of a known number is raised where the function runs to its end."""

    def fails(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
        for _ in range(2):
            yield {"y": 1.0}
        raise ZeroDivisionError("mine")

    learner = FunctionLearner(fails, {})
    for _ in range(2):
        learner.run_epoch()
    with pytest.raises(ZeroDivisionError, match="mine"):
        learner.finish()


def test_the_state_of_the_last_step_is_that_before_the_end() -> None:
    """What a function does after its last step does not change the state of that step."""

    def emptying(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        kept = {"steps": [] if state is None else state["steps"]}
        for step in range(2):
            kept["steps"].append(step)
            yield {"y": 1.0}, kept
        kept["steps"].clear()

    learner = FunctionLearner(emptying, {})
    for _ in range(2):
        learner.run_epoch()
    learner.finish()
    assert state_of(learner.save(), folder=Path) == {"steps": [0, 1]}


class Batches:
    """Four steps; its `length` is something of its own."""

    def __init__(self, length: Any) -> None:
        self.length, self.taken = length, 0

    def __iter__(self) -> "Batches":
        return self

    def __next__(self) -> dict[str, float]:
        if self.taken == 4:
            raise StopIteration
        self.taken += 1
        return {"at": float(self.taken)}


@pytest.mark.parametrize("length", [2, np.array([2, 3])])
def test_a_length_of_the_user_s_own_iterator_says_nothing_of_its_steps(length: Any) -> None:
    """An attribute `length` of an iterator that the function returns is not the number of its steps."""
    batches = Batches(length)
    learner = FunctionLearner(lambda _: batches, {})
    for step in range(1, 5):
        learner.run_epoch()
        assert not learner.unfinished
        assert batches.taken == step


def test_function_that_returns_has_one_step() -> None:
    """A dict that the function returns is the only and last epoch."""
    result = FunctionLearner(lambda config: {"y": config["x"] ** 2}, {"x": 3}).run_epoch()
    assert result.metrics == {"y": 9.0}
    assert result.last


def test_continues_by_replaying() -> None:
    """A function without a state continues by repeating its steps up to the saved one."""
    learner = FunctionLearner(counting, {"start": 0})
    for _ in range(3):
        learner.run_epoch()
    again = FunctionLearner(counting, {"start": 0})
    again.load(learner.save())
    assert again.model_epoch == 3
    assert again.run_epoch().metrics == {"at": 4.0}


def test_a_function_may_know_the_epoch_of_its_state() -> None:
    """While a function is called, the epoch of the state that it gets is known; without one it is 0."""
    called_at = []

    def stateful(config: Any, state: Any) -> Any:
        called_at.append(continued_from())
        return iter([({"at": 1.0}, "state")] * 5)

    learner = FunctionLearner(stateful, {})
    for _ in range(3):
        learner.run_epoch()
    for exploit in (False, True):
        FunctionLearner(stateful, {}).load(learner.save(), exploit=exploit)
    learner = FunctionLearner(stateful, {})
    learner.run_epoch()
    assert called_at == [0, 3, 3, 0]


def test_steps_of_another_trial_are_refused() -> None:
    """Without a state, a function refuses to continue another trial's steps."""
    learner = FunctionLearner(counting, {"start": 0})
    with pytest.raises(ModelError, match="has yielded no state that another trial could copy"):
        learner.load(learner.save(), exploit=True)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda _: None, "returned NoneType; it must yield a dict"),
        (lambda _: 3.0, r"returned float; it must yield a dict .*, or return one, such as \{\"accuracy\": 0.9\}"),
        (lambda _: iter([3.0]), "yielded float 3.0 at step 1; a dict"),
        (lambda _: iter([{}]), "a dict of metric names and numbers"),
        (lambda _: iter([{"y": "high"}]), "yielded y as text, 'high', at step 1; a metric must be a number"),
        (lambda _: iter([{"y": "0.5"}]), "yielded y as text, '0.5', at step 1"),
        (lambda _: iter([{"y": None}]), "yielded y as None, None, at step 1"),
        (lambda _: iter([{"y": 1j}]), "yielded y as a complex number, 1j, at step 1"),
        (lambda _: iter([{"y": np.complex64(1)}]), "yielded y as a complex number"),
        (lambda _: iter([{"y": [0.5]}]), r"yielded y as an object of type list, \[0.5\], at step 1"),
        (lambda _: iter([{"y": np.zeros((2, 3))}]), r"yielded y as an array of shape \(2, 3\)"),
        (lambda _: iter([{"y": np.zeros(0)}]), r"yielded y as an array of shape \(0,\)"),
        (lambda _: iter([{"y": np.datetime64("2026-01-01")}]), "yielded y as an object of type"),
        (lambda _: iter([{"y": Unprintable()}]), "an object of type Unprintable, at step 1"),
        (
            lambda _: iter([{1: 0.5, "1": 0.5}]),
            "yielded a metric with the name '1' at step 1; each metric needs its own name",
        ),
        (lambda _: iter([{"": 0.5}]), "yielded a metric with the name '' at step 1"),
        (lambda _: iter([{"\ud800": 0.5}]), "text that can be written as UTF-8"),
        (lambda _: iter([]), "ended before its first step"),
    ],
)
def test_results_other_than_metrics_are_refused(function: Any, message: str) -> None:
    """A result other than metrics is refused with what the function returned and what it should return."""
    with pytest.raises(ModelError, match=message):
        FunctionLearner(function, {}).run_epoch()


class Unprintable:
    """An object that raises an error for any attribute."""

    def __repr__(self) -> str:
        raise RuntimeError("no")

    def __float__(self) -> float:
        raise RuntimeError("no")


def test_a_number_beyond_a_float_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A number too large for a float counts as infinite, which the trial's log reports once."""
    learner = FunctionLearner(lambda _: iter([{"y": 10**400}] * 3), {})
    for _ in range(3):
        learner.run_epoch()
    assert capsys.readouterr().out == "tunepipe: y exceeds the range of a float, and counts as inf.\n"


def test_error_of_the_function_is_its_own() -> None:
    """An error that the user's function raises is not wrapped."""

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
    """Training a function imports neither TensorFlow nor Keras nor Ray."""
    code = (
        "import sys\n"
        "from tests.unit.training.test_function import job\n"
        "from pipeline.training.trainer_factory import TrainerFactory\n"
        "print(TrainerFactory(job(), None).learner({'start': 1}, seed=0).run_epoch().metrics)\n"
        "print(sorted({'tensorflow', 'keras', 'ray'} & set(sys.modules)))\n"
    )
    reported = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )
    assert reported.stdout.splitlines() == ["{'at': 2.0}", "[]"]


def job() -> TuneJob:
    """A job of the counting function."""
    return TuneJob(name="f", function=counting, space={"start": 1}, objectives=[Objective("at", "max")])


def test_a_trainer_factory_makes_function_learners() -> None:
    """A job with a function needs no data."""
    assert isinstance(TrainerFactory(job(), None).learner({"start": 0}, seed=1), FunctionLearner)


def test_a_function_may_end_before_the_budget():
    """A function that returns after two steps has no third step, and its training has ended."""
    learner = FunctionLearner(lambda _: iter([{"y": 1.0}, {"y": 2.0}]), {})
    assert [learner.run_epoch().metrics["y"] for _ in range(2)] == [1.0, 2.0]
    with pytest.raises(TrainingEnded):
        learner.run_epoch()
    assert learner.model_epoch == 2
