"""Setting up a process for training, what training restores of it, and files that others can load."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import callbacks, layers

from pipeline.datasets import Dataset, Split
from pipeline.errors import NotEvaluated, ResourcesUnmet
from pipeline.space import Config
from pipeline.study import Resources
from pipeline.training import internals, process
from pipeline.training.export import evaluate, export_winner, load_exported
from pipeline.training.internals import restore_dtype_policy
from pipeline.training.process import kept_global_state, memory_for_data, register, registered, set_up
from pipeline.training.trainer_factory import TrainerFactory
from tests.cases import cases
from tests.model_kinds import KINDS, Unregistered, averaged, dense, rows_of_six
from tests.training import SEED, epochs_of, job_of, read_back, same

FILES = ["model.keras", "model.weights.h5"]


def run(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="This machine has a GPU.")
def test_gpus_that_are_not_there_are_missed_and_data_may_fill_a_share_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ResourcesUnmet):
        set_up(Resources(gpus=0.5))
    set_up(Resources())
    machine = replace(process.this_machine(), cpus=4.0, gpus=(), free=800)
    monkeypatch.setattr(process, "this_machine", lambda: machine)
    assert [memory_for_data(Resources(cpus=each)) for each in (1, 4)] == [100, 400]


def test_generators_and_settings_are_restored() -> None:
    policy = keras.config.dtype_policy().name
    with kept_global_state():
        expected = random.random(), np.random.rand()
        keras.config.set_dtype_policy("mixed_bfloat16")
        keras.config.set_floatx("float64")
    assert (random.random(), np.random.rand()) == expected
    assert (keras.config.dtype_policy().name, keras.config.floatx()) == (policy, "float32")


def test_settings_of_a_model_function_hold_for_its_own_model() -> None:
    def build(config: Config) -> keras.Model:
        if config.get("policy"):
            keras.config.set_dtype_policy(config["policy"])
        if config.get("float"):
            keras.config.set_floatx(config["float"])
        return dense(config)

    library = sys.modules.pop("keras")
    with kept_global_state():
        # The study is the first to import Keras.
        sys.modules["keras"] = library
        restore_dtype_policy(None)
        factory = TrainerFactory(job_of(build), rows_of_six())
        configs = [{"float": "float64"}, {"policy": "mixed_bfloat16"}, {}, {"float": "float64"}]
        types = [factory.build(config, seed=1).layers[-1].compute_dtype for config in configs]
    assert types == ["float64", "bfloat16", "float32", "float64"]
    assert keras.config.floatx() == "float32"


def test_what_a_notebook_has_registered_is_registered_elsewhere() -> None:
    @keras.saving.register_keras_serializable("mine")
    class Layer(layers.Layer):
        pass

    assert registered(__name__)["mine>Layer"] is Layer
    keras.saving.get_custom_objects().clear()
    register({"mine>Layer": Layer})
    assert keras.saving.get_registered_object("mine>Layer") is Layer


# The winner's files.


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


WINNERS = ["Sequential without Input, momentum", "AUC, Adamax, learning rate schedule"]


@pytest.mark.parametrize("kind", cases(WINNERS, WINNERS[:1]))
def test_a_winner_has_the_weights_of_its_best_epoch(kind: str, tmp_path: Path) -> None:
    data = KINDS[kind].data()
    # The validation rows as test rows, so that the score is known.
    data = Dataset(data.name, data.train, data.validation, data.validation)
    factory = TrainerFactory(job_of(KINDS[kind].build), data)
    learner = factory.learner({}, seed=SEED)
    best = learner.run_epoch()
    state = read_back(learner.save())
    learner.run_epoch()
    learner.close()
    found = export_winner(factory, {}, state, seed=SEED, folder=tmp_path)
    expected = {name.replace("val_", "test_"): value for name, value in best.metrics.items() if "val_" in name}
    assert found == pytest.approx(expected, rel=1e-5)
    assert names(tmp_path) == FILES
    loaded: Any = load_exported((tmp_path / "model.keras").read_bytes())
    scores = {f"test_{name}": value for name, value in evaluate(loaded, data.validation).items()}
    assert scores == pytest.approx(expected, rel=1e-5)
    assert load_exported(b"damaged") is None


@pytest.mark.parametrize("swapped", cases([True, False], [True]))
def test_averaged_weights_are_the_winners(swapped: bool, tmp_path: Path) -> None:
    hooks = [callbacks.SwapEMAWeights(swap_on_epoch=True)] if swapped else []
    factory = TrainerFactory(job_of(averaged, callbacks=lambda _: hooks), rows_of_six())
    learner: Any = factory.learner({}, seed=SEED)
    epochs_of(learner, 2)
    state = learner.save()
    if not swapped:
        learner.close()
    expected = learner.model.get_weights()
    export_winner(factory, {}, state, seed=SEED, folder=tmp_path)
    assert same(keras.saving.load_model(tmp_path / "model.keras").get_weights(), expected)


def test_a_winner_of_which_a_callback_froze_a_layer_is_exported(tmp_path: Path) -> None:
    class Frozen(callbacks.Callback):
        def on_train_begin(self, logs: Any = None) -> None:
            self.model.layers[0].trainable = False

    factory = TrainerFactory(job_of(dense, callbacks=lambda _: [Frozen()]), rows_of_six())
    learner = factory.learner({}, seed=SEED)
    learner.run_epoch()
    export_winner(factory, {}, learner.save(), seed=SEED, folder=tmp_path)
    assert names(tmp_path) == FILES


def test_a_failed_evaluation_leaves_the_export(tmp_path: Path) -> None:
    data = replace(rows_of_six(), test=Split(np.zeros((4, 5), "float32"), np.zeros(4)))
    factory = TrainerFactory(job_of(dense), data)
    with pytest.raises(NotEvaluated):
        export_winner(factory, {}, factory.learner({}, seed=SEED).save(), seed=SEED, folder=tmp_path)
    assert names(tmp_path) == FILES


@pytest.mark.parametrize("kind", [Unregistered, layers.Lambda])
def test_a_layer_of_the_users_own_leaves_the_weights(
    kind: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def own_layer(config: Config) -> keras.Model:
        model = keras.Sequential([keras.Input((6,)), kind(lambda x: 2.0 * x), layers.Dense(3, "softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        return model

    factory = TrainerFactory(job_of(own_layer), rows_of_six())
    learner: Any = factory.learner({}, seed=SEED)
    learner.run_epoch()
    export_winner(factory, {}, learner.save(), seed=SEED, folder=tmp_path)
    assert names(tmp_path) == ["model.weights.h5"]
    assert "model.keras is left out" in capsys.readouterr().out
    again = own_layer({})
    again.load_weights(tmp_path / "model.weights.h5")
    assert same(again.get_weights(), learner.model.get_weights())


MODEL = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
MODEL.compile("sgd", "mse", metrics=["mae"])
ROWS = tf.data.Dataset.range(4)


@pytest.mark.parametrize(("owner", "names"), [
    (MODEL, ["_flatten_layers", "_compile_config", "_compile_metrics"]),
    (MODEL.optimizer, ["_learning_rate", "_all_reduce_sum_gradients", "finalize_variable_values"]),
    (keras.callbacks.CallbackList([]), ["_async_train", "_async_test"]),
    (keras.callbacks.TensorBoard("log"), ["_profiler_started"]),
    (ROWS.map(lambda x: x), ["_inputs", "_functions"]),
    (ROWS.shuffle(4), ["_reshuffle_each_iteration"]),
    (keras.losses.Huber(), ["_fn_kwargs"]),
])  # fmt: skip
def test_a_private_name_is_there(owner: object, names: list[str]) -> None:
    assert [name for name in names if not hasattr(owner, name)] == []


def test_names_are_reserved() -> None:
    internals.reset_names()
    internals.reserve_names(["dense_41"])
    assert keras.layers.Dense(1).name == "dense_42"
