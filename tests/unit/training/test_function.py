"""A plain function as a learner: its steps, its end, its state, and how it continues."""

import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import DamagedFile, ModelError
from pipeline.study import Objective, TuneJob
from pipeline.training.base import TrainingEnded
from pipeline.training.function import FunctionLearner, decoded, encoded, state_of
from pipeline.training.trainer_factory import TrainerFactory
from tests.training import epochs_of, read_back


def continued(function: Any, config: Any, learner: FunctionLearner, *, seed: int = 7) -> FunctionLearner:
    again = FunctionLearner(function, config, seed=seed)
    again.load(read_back(learner.save()))
    return again


CLOSED: list[int] = []


def counting(config: Mapping[str, Any]) -> Iterator[dict[str, float]]:
    at = config["start"]
    try:
        while True:
            at += 1
            yield {"at": at}
    finally:
        CLOSED.append(at)


def job() -> TuneJob:
    return TuneJob(name="f", function=counting, space={"start": 1}, objectives=[Objective("at", "max")])


def test_each_epoch_is_a_step_and_closing_ends_the_function() -> None:
    CLOSED.clear()
    learner = TrainerFactory(job(), None).learner({"start": 4}, seed=0)
    assert isinstance(learner, FunctionLearner)
    results = [learner.run_epoch() for _ in range(3)]
    assert [result.metrics for result in results] == [{"at": 5.0}, {"at": 6.0}, {"at": 7.0}]
    assert [(result.last, result.learning_rate) for result in results] == [(False, None)] * 3
    learner.close()
    learner.close()
    FunctionLearner(counting, {"start": 0}).close()
    assert (learner.model_epoch, CLOSED) == (3, [7])


def test_a_function_without_a_state_is_replayed() -> None:
    learner = FunctionLearner(counting, {"start": 0})
    epochs_of(learner, 3)
    again = continued(counting, {"start": 0}, learner)
    assert (again.model_epoch, again.run_epoch().metrics) == (3, {"at": 4.0})
    with pytest.raises(ModelError, match="no state that another trial could copy"):
        learner.load(learner.save(), exploit=True)


def test_it_needs_neither_keras_nor_ray() -> None:
    code = (
        "import sys\nfrom pipeline.training.trainer_factory import TrainerFactory\n"
        "from pipeline.study import Objective, TuneJob\n"
        "job = TuneJob(name='f', function=lambda c: {'at': 2}, space={'x': 1}, objectives=[Objective('at', 'max')])\n"
        "print(TrainerFactory(job, None).learner({}, seed=0).run_epoch().metrics)\n"
        "print(sorted({'tensorflow', 'keras', 'ray'} & set(sys.modules)))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["{'at': 2.0}", "[]"]


def test_a_returned_dict_is_the_only_and_last_epoch() -> None:
    config = {"x": 3}
    result = FunctionLearner(lambda config: config.update(x=4) or {"y": config["x"] ** 2}, config).run_epoch()
    assert (result.metrics, result.last, config) == ({"y": 16.0}, True, {"x": 3})

    def returning(config: Any, state: Any) -> Any:
        return {"y": 1.0}, {"kept": state or 2}

    learner = FunctionLearner(returning, {})
    assert learner.run_epoch().last
    assert state_of(learner.save(), folder=Path) == {"kept": 2}


# The end.


@pytest.mark.parametrize("loop", [range(2), range(9)])
def test_code_after_the_loop_runs_if_the_loop_ends_with_the_budget(loop: range) -> None:
    ended = []

    def function(config: Any, state: Any) -> Iterator[Any]:
        kept = {"steps": list[int]()}
        try:
            for step in loop:
                kept["steps"].append(step)
                yield {"y": 1.0}, kept
            kept["steps"].clear()
            ended.append("after")
        finally:
            ended.append("closed")

    learner = FunctionLearner(function, {}, epochs=2)
    learner.run_epoch()
    assert not learner.unfinished
    learner.run_epoch()
    assert learner.unfinished
    learner.finish()
    assert ended == (["after", "closed"] if len(loop) == 2 else ["closed"])
    assert not learner.unfinished
    # What follows the last step does not change the state of that step.
    assert state_of(learner.save(), folder=Path) == {"steps": [0, 1]}
    with pytest.raises(TrainingEnded):
        learner.run_epoch()


@pytest.mark.parametrize(
    "function",
    [
        lambda _: None,
        lambda _: 3.0,
        lambda _: iter([3.0]),
        lambda _: iter([{}]),
        lambda _: iter([]),
        *[
            lambda _, value=value: iter([{"y": value}])
            for value in ("0.5", None, 1j, [0.5], np.zeros((2, 3)), np.zeros(0))
        ],
        *[lambda _, names=names: iter([dict.fromkeys(names, 0.5)]) for names in ([1, "1"], [""], ["\ud800"], ["a\0"])],
        lambda _: iter([({"y": 1.0}, {"kept": 2})]),
    ],
)  # fmt: skip
def test_results_other_than_metrics_are_refused(function: Any) -> None:
    with pytest.raises(ModelError, match=r"<lambda>"):
        FunctionLearner(function, {}).run_epoch()


# Exact continuation.


def descending(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    place, steps = (np.full(3, 4.0), 0) if state is None else (state["place"], state["steps"])
    while True:
        steps += 1
        noise = random.random() + np.random.rand()
        place -= config["lr"] * (2 * place + noise)
        yield {"distance": float(np.abs(place).sum()), "noise": noise}, {"place": place, "steps": steps}


def now_and_then(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    kept = state or {"count": 0}
    while True:
        kept["count"] += 1
        yield ({"count": kept["count"]}, kept) if kept["count"] % 3 == 0 else {"count": kept["count"]}


def in_folder(config: Mapping[str, Any], state: Path | None) -> Iterator[Any]:
    count = 0 if state is None else int((state / "deep/count.txt").read_text())
    while True:
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "deep").mkdir()
            (Path(folder) / "deep/count.txt").write_text(str(count))
            yield {"count": count}, Path(folder)


@pytest.mark.parametrize("function", [descending, now_and_then, in_folder], ids=lambda each: each.__name__)
def test_a_function_with_a_state_continues_exactly(function: Any) -> None:
    config = {"lr": 0.05}
    expected = epochs_of(FunctionLearner(function, config, seed=7), 6)
    learner, found = FunctionLearner(function, config, seed=7), []
    for _ in range(3):
        found += epochs_of(learner, 2)
        random.seed(1)
        learner = continued(function, config, learner)
        assert learner.model_epoch == len(found)
    assert found == expected


def test_a_seed_starts_every_generator_and_only_needed_steps_are_repeated() -> None:
    def drawing(_: Any) -> Iterator[Any]:
        yield {"noise": random.random() + np.random.rand() + keras.random.uniform(()) + tf.random.uniform(())}

    draws = [FunctionLearner(drawing, {}, seed=seed).run_epoch().metrics["noise"] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]
    learner = FunctionLearner(now_and_then, {})
    epochs_of(learner, 5)
    assert (learner.save().header["model_epoch"], learner.save().header["state_epoch"]) == (5, 3)


def test_another_trials_state_is_taken_over_under_its_own_config() -> None:
    donor = FunctionLearner(descending, {"lr": 0.1}, seed=1)
    epochs_of(donor, 2)
    checkpoint = read_back(donor.save())

    def taken() -> FunctionLearner:
        learner = FunctionLearner(descending, {"lr": 0.2}, seed=2)
        learner.load(checkpoint, exploit=True)
        return learner

    learner = taken()
    assert learner.model_epoch == 2
    first = learner.run_epoch().metrics
    assert taken().run_epoch().metrics == first != donor.run_epoch().metrics
    assert continued(descending, {"lr": 0.2}, taken(), seed=2).run_epoch().metrics == first


# States as JSON and arrays.


def through(state: Any) -> Any:
    arrays: list[np.ndarray] = []
    return decoded(encoded(state, arrays), arrays, folder=Path)


def test_arrays_come_back_equal_and_separate() -> None:
    for array in (np.arange(6, dtype=np.int16).reshape(2, 3), np.array(["a", "bc"]), np.zeros((0, 3))):
        (found,) = through([array])
        assert found.dtype == array.dtype
        np.testing.assert_array_equal(found, array)
        assert found.flags.writeable
        assert not np.shares_memory(found, array)
    state = {"tensor": tf.constant([1.0, 2.0]), "variable": keras.Variable([3.0]), "scalar": np.float32(0.5)}
    assert [value.tolist() for value in through(state).values()] == [[1.0, 2.0], [3.0], 0.5]


def itself() -> Any:
    state: dict[str, Any] = {}
    state["again"] = state
    return state


@pytest.mark.parametrize(("state", "message"), [
    ({"a": {"b": object()}}, r"\['a'\]\['b'\]"),
    ([{1, object}], r"\[0\]\[1\]"),
    (np.array([None]), "ndarray"),
    (Path("/nowhere/at/all"), "/nowhere/at/all"),
    (itself(), "contains itself"),
])  # fmt: skip
def test_unsupported_values_of_a_state_are_named(state: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=message):
        encoded(state, [])
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ModelError, match="link"):
        encoded(tmp_path, [])


@pytest.mark.parametrize("tree", [
    {"folder": [["../out", 0]], "name": "x", "folders": []},
    {"folder": [], "name": "/tmp/x", "folders": []},
    {"file": ["/out", 0]},
    {"array": 9},
    {"unknown": 1},
])  # fmt: skip
def test_a_damaged_state_is_refused(tree: Any, tmp_path: Path) -> None:
    with pytest.raises(DamagedFile):
        decoded(tree, [np.zeros(1, np.uint8)], folder=lambda: tmp_path / "in")
