"""What a job's functions build, on what it depends, and what is refused; objects of Keras that all trials share."""

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from pipeline.errors import ModelError
from pipeline.space import Config
from pipeline.study import TuneJob
from pipeline.study.context import TrialContext, in_trial
from pipeline.training.arrays import first_inputs
from pipeline.training.build import build_callbacks, build_model
from pipeline.training.process import kept_global_state
from pipeline.training.trainer_factory import TrainerFactory
from tests.cases import cases
from tests.model_kinds import KINDS, dense, rows_of_six
from tests.training import epochs_of, job_of, resumes_exactly, same, weights_of

EXAMPLE = first_inputs(rows_of_six().train)


def built(job: TuneJob, config: Config | None = None, seed: int = 1) -> keras.Model:
    return build_model(job, config or {}, seed=seed, example=lambda: EXAMPLE)


OPTIMIZER = keras.optimizers.SGD(0.1)
WHOLE = keras.Sequential([keras.Input((6,)), layers.Dense(3, activation="softmax")])


class WithoutCall(keras.Model):
    """What a newcomer may forget."""


def without_call(config: Config) -> keras.Model:
    model = WithoutCall()
    model.compile("sgd", loss="mse")
    return model


def test_a_model_without_call_is_refused_by_keras() -> None:
    with pytest.raises(NotImplementedError, match=r"WithoutCall does not have a `call\(\)` method"):
        built(job_of(without_call))


def with_one_optimizer(config: Config) -> keras.Model:
    model = dense(config)
    model.compile(OPTIMIZER, loss="mse")
    return model


def the_same_model(config: Config) -> keras.Model:
    WHOLE.compile("sgd", loss="mse")
    return WHOLE


@pytest.mark.parametrize(("build", "message"), [
    (lambda _: None, "returned None"),
    (lambda config: (dense(config), []), "object of type tuple"),
    (lambda _: keras.Sequential([layers.Dense(3)]), "not compiled"),
    (with_one_optimizer, "an optimiser that is made outside"),
    (the_same_model, "a model that is made outside"),
])  # fmt: skip
def test_results_other_than_a_compiled_model_of_the_trials_own_are_refused(build: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        built(job_of(build))


@pytest.mark.parametrize("found", [None, keras.callbacks.History(), [print]])
def test_results_other_than_callbacks_are_refused(found: Any) -> None:
    with pytest.raises(ModelError, match="callbacks"):
        build_callbacks(job_of(dense, callbacks=lambda _: found), {}, seed=0)


def test_weights_and_names_depend_only_on_the_seed() -> None:
    kind = KINDS["augmentation, convolution, BatchNormalization, Dropout"]
    job, example = job_of(kind.build), first_inputs(kind.data().train)
    first = build_model(job, {}, seed=1, example=lambda: example)
    random.seed(99)
    keras.utils.set_random_seed(99)
    dense({})
    keras.config.set_dtype_policy("mixed_float16")
    second, third = (build_model(job, {}, seed=seed, example=lambda: example) for seed in (1, 2))
    assert same(weights_of(first), weights_of(second))
    assert [v.path for v in first.variables] == [v.path for v in second.variables]
    assert second.dtype_policy.name == "float32"
    assert not same(weights_of(first), weights_of(third))


def test_draws_of_the_users_code_depend_on_seed_and_epoch_and_its_config_is_a_copy() -> None:
    drawn: list[tuple[float, float]] = []

    def callbacks(config: dict[str, Any]) -> list[Any]:
        config["lr"] = 5
        hook = lambda *_: drawn.append((random.random(), np.random.rand()))  # noqa: E731
        return [keras.callbacks.LambdaCallback(on_epoch_begin=hook)]

    config = {"lr": 1}
    resumes_exactly(TrainerFactory(job_of(dense, callbacks=callbacks), rows_of_six()), config, epochs=2, after=1)
    assert drawn[1] == drawn[2] != drawn[0]
    assert config == {"lr": 1}


# Where callbacks write.


def test_callbacks_write_into_the_folder_of_the_trial(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    job = job_of(dense, callbacks=lambda _: [keras.callbacks.CSVLogger("log.csv")])
    with in_trial(TrialContext("0007", 1, 1, tmp_path / "own"), tmp_path):
        learner = TrainerFactory(job, rows_of_six()).learner({}, seed=1)
        learner.run_epoch()
        learner.close()
    assert (tmp_path / "own/log.csv").exists()


# Objects that are made outside of the model function.

NOISE = keras.Sequential([layers.GaussianNoise(0.5), layers.Dropout(0.2)])
BASE = keras.Sequential([keras.Input((6,)), layers.Dense(5, name="first"), layers.Dense(4)], name="base")
BASE.trainable = False
BASE.layers[1].trainable = True


def compiled(*parts: Any, model: Any = None) -> keras.Model:
    model = model or keras.Sequential([keras.Input((6,)), *parts, layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.1), loss="sparse_categorical_crossentropy", jit_compile=False)
    return model


def enclosed() -> Callable[[], keras.Model]:
    body = layers.Dense(5)
    return lambda: compiled(body)


MODELS: Mapping[str, Callable[[], keras.Model]] = {"augmentation": lambda: compiled(NOISE), "closure": enclosed()}


@pytest.mark.parametrize("name", cases(MODELS, ["augmentation"]))
def test_a_trial_begins_as_the_first_one_whatever_was_trained_before(name: str) -> None:
    factory, found = TrainerFactory(job_of(MODELS[name]), rows_of_six()), []
    for _ in range(2):
        learner = factory.learner({}, seed=1)
        found.append(epochs_of(learner, 2))
        learner.close()
    assert found[0] == found[1]


def test_layers_of_all_trials_keep_their_names_their_freezing_and_what_the_user_sets() -> None:
    job = job_of(lambda: compiled(BASE))
    first = built(job)
    BASE.trainable = True
    BASE.layers[1].trainable = False
    model = built(job)
    assert [layer.trainable for layer in (BASE, *BASE.layers)] == [False, False, True]
    assert len(model.trainable_weights) == len(first.trainable_weights)
    assert [layer.name for layer in model.layers] == [layer.name for layer in first.layers]
    with kept_global_state():
        built(job)
    BASE.layers[0].kernel.assign(np.ones((6, 5)))
    with kept_global_state():
        built(job)
        assert (BASE.layers[0].kernel.numpy() == 1).all()


# Models without training.


ADAPTED = layers.Normalization()


def test_a_layer_that_the_data_function_of_another_process_adapts_is_refused() -> None:
    job = job_of(lambda: compiled(ADAPTED), data=rows_of_six)
    with pytest.raises(ModelError, match="is not adapted in this process"):
        built(job)
    ADAPTED.adapt(rows_of_six().train.x)
    assert built(job).built
