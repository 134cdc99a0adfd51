"""Trials of one architecture share a trace, with the results of a trial alone; a key has all that it depends on."""

import gc
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import constraints, layers, losses, metrics, optimizers, regularizers

from pipeline.space import Config
from pipeline.training.internals import ordered_sums, reset_names
from pipeline.training.symbolic_floats import SymbolicFloat, float_attributes
from pipeline.training.traces import has_own_parts, trace_key
from pipeline.training.trainer_factory import TrainerFactory
from tests.model_kinds import OwnStep, Subclass, data_of
from tests.training import SEED, epochs_of, fitted, job_of, same, weights_of

LONG = pytest.mark.long
one_hot = data_of(
    lambda draw, n: (draw.normal(size=(n, 6)).astype("float32"), np.eye(3, dtype="float32")[draw.integers(0, 3, n)])
)


def model_of(optimizer: Any, *hidden: Any, width: int = 4, penalty: Any = None, loss: Any = None) -> keras.Model:
    first = layers.Dense(width, kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((6,)), first, *hidden, layers.Dense(3, activation="softmax")])
    model.compile(optimizer, loss=loss or losses.CategoricalCrossentropy(), metrics=["accuracy"], jit_compile=False)
    return model


def sgd(config: Config) -> keras.Model:
    optimizer = optimizers.SGD(config["lr"], momentum=config["momentum"], clipnorm=config["clip"])
    return model_of(optimizer, layers.Dropout(config["rate"]), penalty=regularizers.L2(config["l2"]))


def adam(config: Config) -> keras.Model:
    names = {"beta_1", "beta_2", "weight_decay"}
    optimizer = optimizers.AdamW(config["lr"], **{name: config[name] for name in names})
    penalty = regularizers.L1L2(config["l1"], config["l2"])
    return model_of(optimizer, layers.GaussianNoise(config["stddev"]), penalty=penalty)


def schedule_free(config: Config) -> keras.Model:
    """Its optimiser keeps a copy of the initial weights."""
    model = model_of(optimizers.ScheduleFreeAdamW(config["lr"]))
    model.set_weights([config["lr"] * 50 * array for array in model.get_weights()])
    # In fit, Keras would copy the weights within the traced step, thus in every step.
    model.optimizer.build(model.trainable_variables)
    return model


def plain(config: Config) -> keras.Model:
    return model_of(optimizers.SGD(config.get("lr", 0.1)), width=config.get("width", 4))


def with_lambda(config: Config) -> keras.Model:
    return model_of("sgd", layers.Lambda(lambda x: x * config["f"]))


SGD = {"lr": 0.1, "momentum": 0.5, "clip": 0.7, "rate": 0.2, "l2": 0.01}
SGD_2 = {"lr": 0.03, "momentum": 0.91, "clip": 0.33, "rate": 0.45, "l2": 0.07}
_ADAM = ("lr", "beta_1", "beta_2", "weight_decay", "stddev", "l1", "l2")
ADAM = dict(zip(_ADAM, (0.01, 0.8, 0.98, 0.01, 0.2, 0.01, 0.03), strict=True))
ADAM_2 = dict(zip(_ADAM, (0.03, 0.91, 0.9, 0.2, 0.9, 0.1, 0.2), strict=True))


@pytest.mark.parametrize(
    ("build", "first", "second"),
    [
        pytest.param(sgd, SGD, SGD_2, id="SGD"),
        pytest.param(adam, ADAM, ADAM_2, id="AdamW", marks=LONG),
        pytest.param(schedule_free, {"lr": 0.01}, {"lr": 0.03}, id="ScheduleFreeAdamW"),
    ],
)
def test_a_second_trial_equals_fit(build: Any, first: Config, second: Config) -> None:
    job, data = job_of(build), one_hot()
    factory = TrainerFactory(job, data)
    before, found = trained(factory, first), trained(factory, second)
    assert found[2] is before[2]
    model, history = fitted(job, data, epochs=2, config=second)
    assert {name: [epoch[name] for epoch in found[0]] for name in found[0][0]} == history
    assert same(found[1], weights_of(model))
    again = trained(factory, first)
    assert again[0] == before[0]
    assert same(again[1], before[1])


def trained(factory: TrainerFactory, config: Config) -> tuple[list[Any], list[np.ndarray], keras.Model]:
    learner: Any = factory.learner(config, seed=SEED)
    found = epochs_of(learner, 2)
    learner.close()
    return found, weights_of(learner.model), learner.model


def adapted(config: Config) -> keras.Model:
    normalization = layers.Normalization()
    normalization.adapt(config["scale"] * np.linspace(-1, 1, 60).reshape(10, 6).astype("float32"))
    return model_of("sgd", normalization, width=6)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(("build", "first", "second"), [
    pytest.param(plain, {"batch_size": 8}, {"batch_size": 11}, id="batch size"),
    pytest.param(with_lambda, {"f": 1.0}, {"f": 1.0}, id="Lambda", marks=LONG),
    pytest.param(adapted, {"scale": 1.0}, {"scale": 5.0}, id="what a layer has learned", marks=LONG),
])  # fmt: skip
def test_another_graph_has_its_own_trace(build: Any, first: Config, second: Config) -> None:
    alone = trained(TrainerFactory(job_of(build), one_hot()), second)
    factory = TrainerFactory(job_of(build), one_hot())
    before, found = trained(factory, first), trained(factory, second)
    assert found[0] == alone[0]
    assert found[2] is not before[2]


def test_a_trace_serves_one_trial_at_a_time_and_many_one_after_the_other() -> None:
    factory = TrainerFactory(job_of(plain), one_hot())
    first, second = (factory.learner({}, seed=seed) for seed in (1, 2))
    assert first.model is not second.model  # type: ignore[attr-defined]
    held = [each.model for each in (first, second)]  # type: ignore[attr-defined]
    first.close()
    assert factory.learner({}, seed=3).model is held[0]  # type: ignore[attr-defined]
    del second
    gc.collect()
    assert factory.learner({"lr": 0.3}, seed=4).model in held  # type: ignore[attr-defined]


def test_sums_keep_their_order() -> None:
    def gradient(x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = x * 1.1 + x * 1.3 + x * 1.7 + x * 1.9
        return tape.gradient(y, x) + x + x + x

    with ordered_sums():
        traced = tf.function(gradient).get_concrete_function(tf.TensorSpec([None], tf.float32))
    assert "AddN" not in {operation.type for operation in traced.graph.get_operations()}
    assert tf.config.optimizer.get_experimental_options()["arithmetic_optimization"] is False


# Keys.


class OwnLayer(layers.Dense):
    pass


class OwnOptimizer(optimizers.SGD):
    pass


def own_loss(y: Any, p: Any) -> Any:
    return losses.mean_squared_error(y, p)


def relu(x: Any) -> Any:
    """A function with the name of one of Keras."""
    return x


def key_of(*hidden: Any, build: Any = None, more: Any = 8, **compilation: Any) -> str | None:
    reset_names()
    model = small(
        *[each() if callable(each) and not isinstance(each, layers.Layer) else each for each in hidden],
        build=build,
        **compilation,
    )
    return trace_key(model, float_attributes(model), more)


def small(*hidden: Any, build: Any = None, **compilation: Any) -> keras.Model:
    x = keras.Input((6,))
    model = keras.Sequential([x, *hidden, layers.Dense(3)]) if build is None else build(x, layers.Dense(3)(x))
    model.compile(**{"optimizer": optimizers.SGD(0.1), "loss": "mse", **compilation})
    if model.built:
        model.optimizer.build(model.trainable_variables)
    return model


def adapted_to(layer: Any, seen: Any) -> Any:
    layer.adapt(seen)
    return layer


def of_letters(letters: str) -> Callable[..., keras.Model]:
    """A model with an input of text, whose layer has learned these letters."""
    return lambda *_: keras.Sequential(
        [
            keras.Input((1,), dtype="string"),
            adapted_to(layers.StringLookup(output_mode="one_hot", max_tokens=3), [*letters]),
            layers.Dense(3),
        ]
    )


def dense(**arguments: Any) -> Callable[[], layers.Layer]:
    return lambda: layers.Dense(4, **arguments)


def test_numbers_and_initial_weights_are_left_out() -> None:
    assert key_of(lambda: layers.Dropout(0.1)) == key_of(lambda: layers.Dropout(0.7)) is not None
    adams = [key_of(optimizer=optimizers.Adam(rate, beta_1=rate)) for rate in (0.1, 0.3)]
    assert adams[0] == adams[1] is not None
    assert key_of(dense(kernel_initializer="zeros")) == key_of(dense(kernel_initializer="he_normal"))
    penalties = [key_of(dense(kernel_regularizer=regularizers.L2(rate))) for rate in (0.1, 0.2)]
    assert penalties[0] == penalties[1] is not None


def test_anything_that_changes_the_graph_changes_the_key() -> None:
    schedule = optimizers.schedules.ExponentialDecay
    keys = [
        key_of(),
        key_of(more=9),
        *[
            key_of(each)
            for each in (dense(), lambda: layers.Dense(5), dense(activation="relu"), dense(trainable=False))
        ],
        *[key_of(dense(kernel_constraint=constraints.MaxNorm(number))) for number in (1.0, 2.0)],
        *[key_of(lambda rate=rate: layers.Dropout(rate)) for rate in (0.0, 0.5)],
        *[key_of(lambda seen=seen: adapted_to(layers.Normalization(), seen)) for seen in (np.eye(6), 5 * np.eye(6))],
        *[key_of(build=of_letters(letters)) for letters in ("aab", "bbc")],
        key_of(dense(dtype="bfloat16")),
        *[key_of(optimizer=optimizers.SGD(0.1, momentum=0.5, nesterov=nesterov)) for nesterov in (False, True)],
        key_of(optimizer=optimizers.SGD(0.1, gradient_accumulation_steps=2)),
        key_of(optimizer=optimizers.SGD(0.1, clipnorm=0.5)),
        *[key_of(optimizer=optimizers.SGD(schedule(0.1, steps, 0.5))) for steps in (3, 4)],
        key_of(loss="mae"),
        key_of(metrics=["mae"]),
        key_of(weighted_metrics=["mae"]),
        *[key_of(metrics=[metrics.AUC(num_thresholds=number)]) for number in (10, 20)],
        *[key_of(loss=losses.Huber(delta=delta)) for delta in (1.0, 2.0)],
        key_of(loss_weights=[0.5]),
    ]
    assert None not in keys
    assert len(set(keys)) == len(keys)


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize("build", [
    pytest.param(lambda: small(layers.Lambda(lambda x: x)), id="Lambda"),
    pytest.param(lambda: small(OwnLayer(4)), id="layer"),
    pytest.param(lambda: small(optimizer=OwnOptimizer(0.1)), id="optimiser"),
    pytest.param(lambda: small(loss=own_loss), id="loss"),
    pytest.param(lambda: small(metrics=[own_loss]), id="metric"),
    pytest.param(lambda: small(build=OwnStep), id="train_step"),
    pytest.param(lambda: small(layers.Dense(4, activation=relu)), id="activation"),
    pytest.param(lambda: small(optimizer=optimizers.SGD(lambda: 0.1)), id="learning rate"),
    pytest.param(lambda: small(build=lambda *_: Subclass()), id="subclass"),
])  # fmt: skip
def test_parts_of_the_users_own_have_no_key(build: Any) -> None:
    model = build()
    assert trace_key(model, float_attributes(model), 8) is None
    assert has_own_parts(model)


def test_keras_own_parts_have_a_key_unless_their_call_was_replaced() -> None:
    rate = optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    hidden = layers.Dense(4, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm")
    model = small(hidden, optimizer=optimizers.Adam(rate), loss=losses.Huber(), metrics=["mae", metrics.AUC()])
    assert not has_own_parts(model)
    assert trace_key(model, float_attributes(model), 8) is not None
    model.note = "read by a callback"
    assert trace_key(model, float_attributes(model), 8) is None
    del model.note
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    assert trace_key(model, float_attributes(model), 8) is None
    model = small(layers.Dense(4))
    model.layers[0].call = lambda x: x
    assert trace_key(model, float_attributes(model), 8) is None


# Symbolic floats.


class Held:
    """A number that is read from a variable, and whether it has escaped from the graph."""

    def __init__(self, value: float) -> None:
        self.escaped = False
        self.variable = tf.Variable(value, dtype=tf.float64)
        self.number = SymbolicFloat(value, self.variable.read_value, self.escape)

    def escape(self) -> None:
        self.escaped = True


@pytest.mark.parametrize(
    ("use", "escapes"),
    [
        (lambda x: x > 0, False), (lambda x: x == 1, False), (bool, False), (lambda x: x > 0.5, True), (int, True),
        (lambda x: -x, True), (lambda x: x**2, True), (lambda x: (x * 2) > 0, True),
    ],
)  # fmt: skip
def test_conversions_that_a_graph_cannot_follow_are_recorded(use: Callable[[Any], Any], escapes: bool) -> None:
    held = Held(0.7)
    assert use(held.number) == use(0.7)
    assert held.escaped == escapes
