import gc
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, losses, optimizers, regularizers
from tensorflow.python.eager.polymorphic_function.concrete_function import ConcreteFunction

from pipeline.space import Config
from pipeline.training.trainer_factory import TrainerFactory
from tests.unit.training.model_kinds import data_of
from tests.unit.training.reference_training import fitted_by_epochs, job_of, weights_of

SEED = 5
one_hot = data_of(
    lambda draw, n: (draw.normal(size=(n, 6)).astype("float32"), np.eye(3, dtype="float32")[draw.integers(0, 3, n)])
)


def _model(optimizer: Any, *hidden: Any, width: int = 4, penalty: Any = None, loss: Any = None) -> keras.Model:
    first = layers.Dense(width, kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((6,)), first, *hidden, layers.Dense(3, activation="softmax")])
    model.compile(optimizer, loss=loss or losses.CategoricalCrossentropy(), metrics=["accuracy"], jit_compile=False)
    return model


def sgd(config: Config) -> keras.Model:
    """A model with SGD, momentum and clipping, L2 and Dropout."""
    optimizer = optimizers.SGD(config["lr"], momentum=config["momentum"], clipnorm=config["clip"])
    return _model(optimizer, layers.Dropout(config["rate"]), penalty=regularizers.L2(config["l2"]))


def adam(config: Config) -> keras.Model:
    """A model with AdamW, L1 and L2, GaussianNoise."""
    optimizer = optimizers.AdamW(
        config["lr"],
        beta_1=config["beta_1"],
        beta_2=config["beta_2"],
        epsilon=config["epsilon"],
        weight_decay=config["decay"],
    )
    return _model(
        optimizer, layers.GaussianNoise(config["stddev"]), penalty=regularizers.L1L2(config["l1"], config["l2"])
    )


def rmsprop(config: Config) -> keras.Model:
    """A model with RMSprop under a schedule, BatchNormalization, Dropout."""
    schedule = optimizers.schedules.ExponentialDecay(config["lr"], decay_steps=4, decay_rate=config["fall"])
    optimizer = optimizers.RMSprop(schedule, rho=config["rho"], momentum=config["momentum"])
    return _model(optimizer, layers.BatchNormalization(momentum=config["inertia"]), layers.Dropout(config["rate"]))


def functional(config: Config) -> keras.Model:
    """A model of two branches that are joined, with Nesterov's momentum."""
    x = keras.Input((6,))
    left = layers.Dropout(config["rate"])(layers.Dense(4, activation="relu")(x))
    joined = layers.Concatenate()([left, layers.Dense(3)(x) * 2.0])
    model = keras.Model(x, layers.Dense(3, activation="softmax")(joined))
    optimizer = optimizers.SGD(config["lr"], momentum=config["momentum"], nesterov=True)
    model.compile(optimizer, loss="categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def derived(config: Config) -> keras.Model:
    """A model whose momentum is not in the config."""
    return _model(optimizers.SGD(0.1, momentum=1 - 1 / config["memory"]))


def plain(config: Config) -> keras.Model:
    """A model with SGD without momentum."""
    return _model(optimizers.SGD(config.get("lr", 0.1)), width=config.get("width", 4))


def centered(config: Config) -> keras.Model:
    """A model with RMSprop, whose epsilon TensorFlow moves within a sum as a constant."""
    return _model(optimizers.RMSprop(0.1, epsilon=config["epsilon"], centered=True))


def leaky(config: Config) -> keras.Model:
    """A model with LeakyReLU, whose slope is a constant in the graph."""
    return _model(optimizers.SGD(0.1), layers.LeakyReLU(config["slope"]))


def multiplied(config: Config) -> keras.Model:
    """A model with GaussianDropout, whose rate is a constant in the graph."""
    return _model(optimizers.SGD(0.1), layers.GaussianDropout(config["rate"]))


def with_lambda(config: Config) -> keras.Model:
    """A model with a user's function."""
    return _model(optimizers.SGD(0.1), layers.Lambda(lambda x: x * config["factor"]))


SGD = {"lr": 0.1, "momentum": 0.5, "clip": 0.7, "rate": 0.2, "l2": 0.01}
ADAM = {
    "lr": 0.01, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-6, "decay": 0.01, "stddev": 0.2, "l1": 0.01, "l2": 0.03
}  # fmt: skip
RMSPROP = {"lr": 0.01, "fall": 0.8, "rho": 0.85, "momentum": 0.3, "inertia": 0.95, "rate": 0.15}


def _trained(trainer_factory: TrainerFactory, config: Config) -> tuple[list[Any], list[np.ndarray]]:
    """The metrics of two epochs, and the weights after them."""
    learner: Any = trainer_factory.learner(config, seed=SEED)
    metrics = [learner.run_epoch().metrics for _ in range(2)]
    learner.close()
    return metrics, weights_of(learner.model)


def _equal(a: tuple[list[Any], list[np.ndarray]], b: tuple[list[Any], list[np.ndarray]]) -> bool:
    return a[0] == b[0] and all(np.array_equal(x, y) for x, y in zip(a[1], b[1], strict=True))


@pytest.mark.parametrize(
    ("build", "first", "second", "traces"),
    [
        pytest.param(
            sgd, SGD, {"lr": 0.03, "momentum": 0.91, "clip": 0.33, "rate": 0.45, "l2": 0.07}, 1, id="SGD's numbers"
        ),
        pytest.param(
            adam,
            ADAM,
            {
                "lr": 0.03,
                "beta_1": 0.91,
                "beta_2": 0.9,
                "epsilon": 1e-3,
                "decay": 0.2,
                "stddev": 0.9,
                "l1": 0.1,
                "l2": 0.2,
            },
            1,
            id="AdamW's numbers",
        ),
        pytest.param(
            rmsprop,
            RMSPROP,
            {"lr": 0.002, "fall": 0.33, "rho": 0.9, "momentum": 0.77, "inertia": 0.6, "rate": 0.4},
            1,
            id="RMSprop's numbers",
            marks=pytest.mark.long,
        ),
        pytest.param(centered, {"epsilon": 1e-4}, {"epsilon": 1e-2}, 2, id="centered RMSprop's epsilon, a constant"),
        pytest.param(
            functional,
            {"lr": 0.1, "momentum": 0.5, "rate": 0.2},
            {"lr": 0.3, "momentum": 0.8, "rate": 0.4},
            1,
            id="a functional model's numbers",
            marks=pytest.mark.long,
        ),
        pytest.param(
            leaky, {"slope": 0.1}, {"slope": 0.4}, 2, id="LeakyReLU's slope, a constant", marks=pytest.mark.long
        ),
        pytest.param(
            multiplied, {"rate": 0.1}, {"rate": 0.4}, 2, id="GaussianDropout's rate, a constant", marks=pytest.mark.long
        ),
    ],
)
def test_second_trial_equals_fit(build: Any, first: Config, second: Config, traces: int) -> None:
    """A trial after another one has the results of fit alone, whether its numbers are constants or not."""
    job, data = job_of(build), one_hot()
    trainer_factory = TrainerFactory(job, data)

    before = _trained(trainer_factory, first)
    metrics, weights = _trained(trainer_factory, second)
    made = trainer_factory.traces.made
    again = _trained(trainer_factory, first)

    model, history = fitted_by_epochs(job, data, seed=SEED, epochs=2, config=second)
    assert {name: [epoch[name] for epoch in metrics] for name in metrics[0]} == history
    assert _equal((metrics, weights), (metrics, weights_of(model)))
    assert made == traces
    assert _equal(again, before)


@pytest.mark.parametrize(
    ("build", "first", "second"),
    [
        pytest.param(derived, {"memory": 3}, {"memory": 5}, id="a number that the config does not name"),
        pytest.param(plain, {"width": 4}, {"width": 5}, id="another width"),
        pytest.param(plain, {"batch_size": 8}, {"batch_size": 11}, id="another batch size"),
        pytest.param(with_lambda, {"factor": 1.0}, {"factor": 1.0}, id="Lambda"),
    ],
)
def test_another_architecture_has_its_own_trace(build: Any, first: Config, second: Config) -> None:
    """A model whose graph differs, or cannot be derived from its config, is traced for each trial."""
    trainer_factory = TrainerFactory(job_of(build), one_hot())
    for config in (first, second):
        trainer_factory.learner(config, seed=SEED).close()
    assert trainer_factory.traces.made == 2


def normalized(config: Config) -> keras.Model:
    """A model that has learned the mean and the variance of its inputs."""
    normalization = layers.Normalization()
    normalization.adapt(config["scale"] * np.linspace(-1, 1, 60).reshape(10, 6).astype("float32"))
    model = keras.Sequential([keras.Input((6,)), normalization, layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=losses.CategoricalCrossentropy(), metrics=["accuracy"], jit_compile=False)
    return model


def reading_letters(config: Config) -> keras.Model:
    """A model that has learned a vocabulary of letters."""
    lookup = layers.StringLookup(output_mode="one_hot", max_tokens=3, pad_to_max_tokens=True)
    lookup.adapt([*config["letters"]])
    model = keras.Sequential([keras.Input((1,), dtype="string"), lookup, layers.Dense(3, activation="softmax")])
    model.compile("sgd", loss=losses.CategoricalCrossentropy(), metrics=["accuracy"], jit_compile=False)
    return model


letters = data_of(
    lambda draw, n: (
        draw.choice([*"abc"], (n, 1)).astype(object),
        np.eye(3, dtype="float32")[draw.integers(0, 3, n)],
    )
)


@pytest.mark.parametrize(
    ("build", "data", "first", "second"),
    [
        pytest.param(normalized, one_hot, {"scale": 1.0}, {"scale": 5.0}, id="Normalization"),
        pytest.param(reading_letters, letters, {"letters": "aab"}, {"letters": "bbc"}, id="StringLookup"),
    ],
)
def test_learned_values_of_layers_belong_to_the_trace(build: Any, data: Any, first: Config, second: Config) -> None:
    """A model whose layers have learned other data than an earlier model's is not trained with what those learned."""
    alone = _trained(TrainerFactory(job_of(build), data()), second)
    trainer_factory = TrainerFactory(job_of(build), data())
    _trained(trainer_factory, first)
    assert _equal(_trained(trainer_factory, second), alone)
    assert _equal(_trained(trainer_factory, second), alone)
    assert trainer_factory.traces.made == 2


def test_attributes_of_a_model_stay_with_it() -> None:
    """A callback sees the attributes that the trial's own model was given, not those of an earlier model."""
    seen = []

    def noted(config: Config) -> keras.Model:
        model = plain(config)
        model.note = config["note"]
        return model

    note = keras.callbacks.LambdaCallback(on_epoch_end=lambda _epoch, _logs: seen.append(learner.model.note))
    trainer_factory = TrainerFactory(job_of(noted, callbacks=lambda _: [note]), one_hot())
    for text in ("first", "second"):
        learner: Any = trainer_factory.learner({"note": text}, seed=SEED)
        learner.run_epoch()
        learner.close()
    assert seen == ["first", "second"]


def test_two_trials_in_parallel_do_not_share() -> None:
    """A trace in use by a trial serves no other until that trial is closed or deleted."""
    trainer_factory = TrainerFactory(job_of(plain), one_hot())
    first: Any = trainer_factory.learner({}, seed=1)
    second: Any = trainer_factory.learner({}, seed=2)
    assert first.model is not second.model

    held = first.model
    first.close()
    third: Any = trainer_factory.learner({}, seed=3)
    assert third.model is held

    held = second.model
    del second
    gc.collect()
    fourth: Any = trainer_factory.learner({}, seed=4)
    assert fourth.model is held


@pytest.mark.long
def test_traces_do_not_accumulate() -> None:
    """Memory of released traces is freed, and many trials of one architecture need one trace."""
    trainer_factory = TrainerFactory(job_of(plain), one_hot())
    for trial in range(8):
        learner = trainer_factory.learner({"lr": 0.01 + trial / 100}, seed=SEED)
        learner.run_epoch()
        learner.close()
    assert trainer_factory.traces.made == len(trainer_factory.traces) == 1

    trainer_factory = TrainerFactory(job_of(with_lambda), one_hot())
    counts = []
    for trial in range(3):
        trainer_factory.learner({"factor": trial / 10}, seed=SEED).close()
        gc.collect()
        counts.append(sum(isinstance(found, ConcreteFunction) for found in gc.get_objects()))
    assert counts[1] == counts[2]
    assert len(trainer_factory.traces) == 0


def test_each_step_is_traced_once() -> None:
    """The training step and the evaluation step are each traced once, because the metrics are built before."""
    calls = []

    def loss(targets: Any, predictions: Any) -> Any:
        calls.append(1)
        return keras.losses.categorical_crossentropy(targets, predictions)

    def build(config: Config) -> keras.Model:
        return _model(optimizers.SGD(0.1), loss=loss)

    TrainerFactory(job_of(build), one_hot()).learner({}, seed=SEED)
    assert len(calls) == 2
