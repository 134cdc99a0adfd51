"""Functions with a saved state: the values of a state, and how a function continues from one."""

import random
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from pipeline.errors import DamagedFile, ModelError
from pipeline.storage import pack, unpack
from pipeline.training.base import TrainingEnded
from pipeline.training.function import FunctionLearner, state_of
from pipeline.training.function_state import decoded, encoded

ROWS = np.linspace(-1, 1, 24, dtype=np.float32).reshape(12, 2)


def through(state: Any, folder: Path) -> Any:
    """A state after encoding and decoding."""
    arrays: list[np.ndarray] = []
    return decoded(encoded(state, arrays), arrays, folder=lambda: folder)


def stored(learner: FunctionLearner) -> Any:
    """A learner's checkpoint after writing to and reading from bytes."""
    return unpack(b"".join(bytes(piece) for piece in pack(learner.save())), "checkpoint")


def continued(function: Any, config: Any, learner: FunctionLearner, *, seed: int = 7) -> FunctionLearner:
    """Another learner that continues from a learner's checkpoint."""
    again = FunctionLearner(function, config, seed=seed)
    again.load(stored(learner))
    return again


def descending(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    """Gradient descent with noise from every global generator; its position and steps are its state."""
    place, steps = (np.full(3, 4.0), 0) if state is None else (state["place"], state["steps"])
    while True:
        steps += 1
        noise = random.random() + np.random.rand() + float(keras.random.uniform(())) + float(tf.random.uniform(()))
        place -= config["lr"] * (2 * place + noise)
        yield {"distance": float(np.abs(place).sum()), "noise": noise}, {"place": place, "steps": steps}


def fitting(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
    """A model with dropout and shuffled training by fit as the state."""
    if state is None:
        state = keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        state.compile(keras.optimizers.Adam(config["lr"]), loss="mse")
    while True:
        history = state.fit(ROWS, ROWS[:, :1], batch_size=5, verbose=0)
        yield {"loss": history.history["loss"][0]}, state


def in_folder(config: Mapping[str, Any], state: Path | None) -> Iterator[Any]:
    """Counts in a file of its folder."""
    folder = Path(config["folder"])
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    count = 0 if state is None else int((state / "deep/count.txt").read_text())
    while True:
        count += 1
        (folder / "deep/count.txt").write_text(str(count))
        yield {"count": count}, folder


@pytest.mark.parametrize(
    "state",
    [
        {"a": 1, "b": [1.5, None, True, "text"], "c": ("x", {"d": b"\0\xff"}), 3: 10**40},
        [],
        {},
        {3, (1, "a")},
        frozenset({"b"}),
        "text",
        0,
    ],
    ids=lambda value: type(value).__name__,
)
def test_json_values_come_back_equal(state: Any, tmp_path: Path) -> None:
    """Values of a state keep their types: a tuple stays a tuple, and a numeric key a number."""
    assert repr(through(state, tmp_path)) == repr(state)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=np.int16).reshape(2, 3),
        np.array([True, False]),
        np.array(["a", "bc"]),
        np.array(1.5, np.float16),
        np.zeros((0, 3)),
        np.array([1 + 2j]),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    ],
    ids=lambda array: str(array.dtype),
)
def test_arrays_are_restored_equal_and_separate(array: np.ndarray, tmp_path: Path) -> None:
    """Restored arrays are writable and share no memory with the saved ones."""
    (found,) = through([array], tmp_path)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    assert found.flags.writeable
    assert not np.shares_memory(found, array)


def test_tensors_and_variables_are_restored_as_arrays(tmp_path: Path) -> None:
    """Tensors and variables of TensorFlow and Keras are restored as arrays, and NumPy scalars keep their type."""
    state = {"tensor": tf.constant([1.0, 2.0]), "variable": keras.Variable([3.0]), "scalar": np.float32(0.5)}
    found = through(state, tmp_path)
    assert [value.tolist() for value in found.values()] == [[1.0, 2.0], [3.0], 0.5]
    assert type(found["scalar"]) is np.float32


def test_the_state_of_numpys_generator_is_a_state(tmp_path: Path) -> None:
    """The state of NumPy's generator, with numbers of 128 bits, can be saved."""
    generator = np.random.default_rng(5)
    generator.random(3)
    again = np.random.default_rng(0)
    again.bit_generator.state = through(generator.bit_generator.state, tmp_path)
    assert again.random() == generator.random()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": {"b": object()}}, r"The state\['a'\]\['b'\] is an object of type object; a state is made of dicts"),
        ([{1, object}], r"The state\[0\], in a set, is an object of type type"),
        (np.array([None]), "The state is an object of type ndarray"),
        ({(1, 2): 3}, r"has the key \(1, 2\) of type tuple; keys must be text or numbers"),
        (Path("/nowhere/at/all"), "is the path /nowhere/at/all, and there is no such folder or file"),
    ],
    ids=["object", "set", "objects", "key", "path"],
)
def test_unsupported_values_of_a_state_are_named(state: Any, message: str) -> None:
    """A value that cannot be saved is refused with its place in the state, its type and the types that are allowed."""
    with pytest.raises(ModelError, match=message):
        encoded(state, [])


def test_a_state_that_contains_itself_is_refused() -> None:
    """A state that contains itself is refused, because it has no end."""
    state: dict[str, Any] = {}
    state["again"] = state
    with pytest.raises(ModelError, match="contains itself"):
        encoded(state, [])


def test_a_link_in_a_folder_is_refused(tmp_path: Path) -> None:
    """A link in a saved folder is refused, because its target may be missing when the trial continues."""
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(ModelError, match="folder with a link"):
        encoded(tmp_path, [])


@pytest.mark.parametrize(
    "tree",
    [
        {"folder": [["../out", 0]], "name": "x", "folders": []},
        {"folder": [], "name": "/tmp/x", "folders": []},
        {"file": ["/out", 0]},
        {"array": 9},
        {"unknown": 1},
        {},
    ],
    ids=str,
)
def test_a_damaged_state_is_refused(tree: Any, tmp_path: Path) -> None:
    """A damaged state is refused, and nothing is written outside of its folder."""
    with pytest.raises((DamagedFile, StopIteration)):
        decoded(tree, [np.zeros(1, np.uint8)], folder=lambda: tmp_path / "in")


@pytest.mark.parametrize("function", [descending, fitting], ids=lambda function: function.__name__)
def test_continues_exactly(function: Any) -> None:
    """A trial that continues from any epoch has the same metrics as one that never stopped, to the last digit."""
    config = {"lr": 0.05}
    whole = FunctionLearner(function, config, seed=7)
    expected = [dict(whole.run_epoch().metrics) for _ in range(5)]
    first = FunctionLearner(function, config, seed=7)
    got = [dict(first.run_epoch().metrics) for _ in range(2)]
    second = continued(function, config, first)
    assert second.model_epoch == 2
    got.append(dict(second.run_epoch().metrics))
    third = continued(function, config, second)
    random.seed(1)
    got += [dict(third.run_epoch().metrics) for _ in range(2)]
    assert got == expected


def test_a_seed_starts_every_generator() -> None:
    """Two trials with the same seed draw the same numbers, and with different seeds others."""
    draws = [FunctionLearner(descending, {"lr": 0.1}, seed=seed).run_epoch().metrics["noise"] for seed in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2]


def test_a_folder_is_a_state(tmp_path: Path) -> None:
    """A function gets a copy of a saved folder, which is deleted when the trial is closed."""
    config = {"folder": str(tmp_path / "ckpt")}
    learner = FunctionLearner(in_folder, config)
    for _ in range(3):
        learner.run_epoch()
    again = continued(in_folder, config, learner)
    (tmp_path / "ckpt/deep/count.txt").write_text("99")
    assert again.run_epoch().metrics == {"count": 4.0}
    state = state_of(again.save(), folder=lambda: tmp_path / "out")
    assert (state.name, (state / "deep/count.txt").read_text()) == ("ckpt", "4")
    again.close()


def test_no_step_is_repeated() -> None:
    """A continued function starts once, with the last state, and repeats no step."""
    starts: list[Any] = []

    def noting(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        starts.append(state)
        count = state or 0
        while True:
            count += 1
            yield {"count": count}, count

    learner = FunctionLearner(noting, {})
    for _ in range(4):
        learner.run_epoch()
    assert continued(noting, {}, learner).run_epoch().metrics == {"count": 5.0}
    assert starts == [None, 4]


def test_steps_since_the_last_state_are_repeated() -> None:
    """Steps since the last yielded state are repeated, and later changes of that state have no effect."""

    def now_and_then(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        kept = state or {"count": 0}
        while True:
            kept["count"] += 1
            yield ({"count": kept["count"]}, kept) if kept["count"] % 3 == 0 else {"count": kept["count"]}

    learner = FunctionLearner(now_and_then, {})
    for _ in range(5):
        learner.run_epoch()
    state = learner.save()
    assert (state.header["model_epoch"], state.header["state_epoch"]) == (5, 3)
    again = continued(now_and_then, {}, learner)
    assert again.model_epoch == 5
    assert again.run_epoch().metrics == {"count": 6.0}


def test_another_trials_state_is_taken_over_under_its_own_config() -> None:
    """A trial that takes over a state keeps its own config and seed, and continues exactly from its own saves."""
    donor = FunctionLearner(descending, {"lr": 0.1}, seed=1)
    for _ in range(2):
        donor.run_epoch()
    checkpoint = stored(donor)

    def taken() -> FunctionLearner:
        learner = FunctionLearner(descending, {"lr": 0.2}, seed=2)
        learner.load(checkpoint, exploit=True)
        return learner

    learner = taken()
    assert learner.model_epoch == 2
    first = learner.run_epoch().metrics
    again = FunctionLearner(descending, {"lr": 0.2}, seed=2)
    saved = stored(learner)
    second = learner.run_epoch().metrics
    again.load(saved)
    assert again.run_epoch().metrics == second
    assert taken().run_epoch().metrics == first != donor.run_epoch().metrics
    assert continued(descending, {"lr": 0.2}, taken(), seed=2).run_epoch().metrics == first


def test_a_function_that_returns_has_one_step_and_a_state() -> None:
    """A function that returns has one step, with or without a state."""

    def returning(config: Mapping[str, Any], state: Any) -> Any:
        return {"y": config["y"]}, {"kept": state or 2}

    learner = FunctionLearner(returning, {"y": 1.0})
    assert learner.run_epoch().last
    assert state_of(learner.save(), folder=Path) == {"kept": 2}


def test_an_ended_function_stays_ended() -> None:
    """A function that continues from its last state after its end has no further step."""

    def twice(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        for count in range(state or 0, 2):
            yield {"count": count}, count + 1

    learner = FunctionLearner(twice, {})
    learner.run_epoch()
    learner.run_epoch()
    with pytest.raises(TrainingEnded):
        continued(twice, {}, learner).run_epoch()


def test_a_state_without_a_parameter_for_it_is_refused() -> None:
    """A function that reports a state but has no parameter for it is refused with the right definition."""

    def stateless(config: Mapping[str, Any]) -> Iterator[Any]:
        yield {"y": 1.0}, {"kept": 2}

    with pytest.raises(
        ModelError,
        match=r"yields \(metrics, state\) but has no `state` parameter.*define it as stateless\(config, state\)",
    ):
        FunctionLearner(stateless, {}).run_epoch()


def test_a_model_of_own_classes_is_rebuilt_with_the_functions_module() -> None:
    """A model with own classes is rebuilt without registration if the function's module defines them."""

    def layered(config: Mapping[str, Any], state: Any) -> Iterator[Any]:
        if state is None:
            state = keras.Sequential([keras.Input((2,)), Doubling(), keras.layers.Dense(1)])
            state.compile("sgd", loss="mse")
        while True:
            yield {"loss": state.train_on_batch(ROWS, ROWS[:, :1])}, state

    learner = FunctionLearner(layered, {})
    learner.run_epoch()
    again = continued(layered, {}, learner)
    assert again.run_epoch().metrics == learner.run_epoch().metrics


class Doubling(keras.layers.Layer):
    """Doubles its inputs."""

    def call(self, inputs: Any) -> Any:
        """Twice the inputs."""
        return inputs * 2


def test_a_model_that_is_not_built_is_refused() -> None:
    """A model without weights, because it is not built, is refused."""
    with pytest.raises(ModelError, match="not built"):
        encoded(keras.Sequential([keras.layers.Dense(1)]), [])


def in_a_temporary_folder(config: Mapping[str, Any], state: Path | None) -> Iterator[Any]:
    """Two steps, each with a folder that is deleted once the step is taken."""
    count = 0 if state is None else int((state / "count.txt").read_text())
    while count < 2:
        count += 1
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "count.txt").write_text(str(count))
            yield {"count": count}, Path(folder)


def test_a_folder_of_a_function_that_has_ended_is_saved() -> None:
    """The last folder is saved, although the function has ended and deleted it."""
    learner = FunctionLearner(in_a_temporary_folder, {})
    learner.run_epoch()
    learner.run_epoch()
    with pytest.raises(TrainingEnded):
        learner.run_epoch()
    assert learner.save().header["state_epoch"] == 2
    learner.close()
