from typing import Any

import keras
import pytest
from keras import constraints, layers, losses, metrics, optimizers

from pipeline.training.symbolic_floats import float_attributes
from pipeline.training.trace_key import has_own_parts, trace_key
from tests.unit.training.model_kinds import KINDS, OwnStep, Subclass


class OwnLayer(layers.Dense):
    """A user's layer."""


class OwnOptimizer(optimizers.SGD):
    """A user's optimiser."""


def own_loss(y: Any, p: Any) -> Any:
    """A user's loss."""
    return losses.mean_squared_error(y, p)


def relu(x: Any) -> Any:
    """A user's function with the name of one of Keras."""
    return x


def _model(*hidden: Any, build: Any = None, **compilation: Any) -> keras.Model:
    x = keras.Input((6,))
    model = keras.Sequential([x, *hidden, layers.Dense(3)]) if build is None else build(x, layers.Dense(3)(x))
    model.compile(**{"optimizer": optimizers.SGD(0.1), "loss": "mse", **compilation})
    if model.built:
        model.optimizer.build(model.trainable_variables)
    return model


def _text(model: keras.Model, more: Any = 8) -> str | None:
    return trace_key(model, float_attributes(model), more)


def _reset_names() -> None:
    from keras.src.utils import naming

    naming.reset_uids()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lambda: _model(layers.Dropout(0.1)), lambda: _model(layers.Dropout(0.7))),
        (
            lambda: _model(optimizer=optimizers.Adam(0.1, beta_1=0.8)),
            lambda: _model(optimizer=optimizers.Adam(0.3, beta_1=0.7)),
        ),
        (
            lambda: _model(layers.Dense(4, kernel_initializer="zeros")),
            lambda: _model(layers.Dense(4, kernel_initializer="he_normal")),
        ),
        (
            lambda: _model(layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.1))),
            lambda: _model(layers.Dense(4, kernel_regularizer=keras.regularizers.L2(0.2))),
        ),
    ],
    ids=["dropout", "Adam", "initial weights", "L2"],
)
def test_numbers_and_initial_weights_are_left_out(first: Any, second: Any) -> None:
    """Models that differ in numbers, learning rate and initial weights have one trace key."""
    texts = []
    for build in (first, second):
        _reset_names()
        texts.append(_text(build()))
    assert texts[0] is not None
    assert texts[0] == texts[1]


DIFFERENT = {
    "plain": lambda: _model(),
    "a layer more": lambda: _model(layers.Dense(4)),
    "a width": lambda: _model(layers.Dense(5)),
    "an activation": lambda: _model(layers.Dense(4, activation="relu")),
    "a constraint": lambda: _model(layers.Dense(4, kernel_constraint=constraints.MaxNorm(1.0))),
    "a constraint's number": lambda: _model(layers.Dense(4, kernel_constraint=constraints.MaxNorm(2.0))),
    "no dropout": lambda: _model(layers.Dropout(0.0)),
    "some dropout": lambda: _model(layers.Dropout(0.5)),
    "frozen": lambda: _model(layers.Dense(4, trainable=False)),
    "precision": lambda: _model(layers.Dense(4, dtype="bfloat16")),
    "momentum": lambda: _model(optimizer=optimizers.SGD(0.1, momentum=0.5)),
    "nesterov": lambda: _model(optimizer=optimizers.SGD(0.1, momentum=0.5, nesterov=True)),
    "accumulation": lambda: _model(optimizer=optimizers.SGD(0.1, gradient_accumulation_steps=2)),
    "clipping": lambda: _model(optimizer=optimizers.SGD(0.1, clipnorm=0.5)),
    "schedule": lambda: _model(optimizer=optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 3, 0.5))),
    "its steps": lambda: _model(optimizer=optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 4, 0.5))),
    "loss": lambda: _model(loss="mae"),
    "smoothing": lambda: _model(loss=losses.CategoricalCrossentropy(label_smoothing=0.1)),
    "more smoothing": lambda: _model(loss=losses.CategoricalCrossentropy(label_smoothing=0.2)),
    "metric": lambda: _model(metrics=["mae"]),
    "weighted metric": lambda: _model(weighted_metrics=["mae"]),
    "a metric's setting": lambda: _model(metrics=[metrics.AUC(num_thresholds=10)]),
    "another of it": lambda: _model(metrics=[metrics.AUC(num_thresholds=20)]),
    "loss weights": lambda: _model(loss_weights=[0.5]),
}


def test_anything_that_changes_the_graph_changes_the_key() -> None:
    """Models and batch sizes that would be traced differently have different trace keys."""
    texts = {}
    for name, build in DIFFERENT.items():
        _reset_names()
        texts[name] = _text(build())
    _reset_names()
    texts["batch size"] = _text(_model(), more=9)
    assert None not in texts.values()
    twins = {(a, b) for a in texts for b in texts if a < b and texts[a] == texts[b]}
    assert twins == set()


@pytest.mark.filterwarnings("ignore:The object being serialized includes a `lambda`")
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: _model(layers.Lambda(lambda x: x)), id="Lambda"),
        pytest.param(lambda: _model(OwnLayer(4)), id="layer"),
        pytest.param(lambda: _model(optimizer=OwnOptimizer(0.1)), id="optimiser"),
        pytest.param(lambda: _model(loss=own_loss), id="loss"),
        pytest.param(lambda: _model(loss=lambda y, p: own_loss(y, p)), id="loss as a lambda"),
        pytest.param(lambda: _model(metrics=[own_loss]), id="metric"),
        pytest.param(lambda: _model(build=OwnStep), id="train_step"),
        pytest.param(lambda: _model(layers.Dense(4, activation=relu)), id="activation"),
        pytest.param(lambda: _model(layers.Dense(4, activation=lambda x: x)), id="activation as a lambda"),
        pytest.param(lambda: _model(layers.Dense(4, kernel_regularizer=lambda _: 0.0)), id="regulariser"),
        pytest.param(lambda: _model(optimizer=optimizers.SGD(lambda: 0.1)), id="learning rate"),
        pytest.param(lambda: _model(build=lambda *_: Subclass()), id="subclass"),
    ],
)
def test_parts_of_the_users_own_have_no_key(build: Any) -> None:
    """A model with a class or a function of the user's, which may branch on anything, has no trace key."""
    model = build()
    assert _text(model) is None
    assert has_own_parts(model)


def test_keras_own_parts_are_not_the_users() -> None:
    """Keras' own schedules, activations, regularisers, metrics and cells do not count as the user's."""
    rate = optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    hidden = layers.Dense(4, activation="relu", kernel_regularizer="l2", kernel_constraint="max_norm")
    model = _model(hidden, optimizer=optimizers.Adam(rate), loss=losses.Huber(), metrics=["mae", metrics.AUC()])
    assert not has_own_parts(model)
    assert not has_own_parts(KINDS["Embedding, LSTM with dropout, Adadelta"].build({}))


def test_function_of_keras_that_was_replaced_is_noticed() -> None:
    """A layer of Keras whose call the user has replaced does not count as Keras' own."""
    model = _model(layers.Dense(4))
    model.layers[0].call = lambda x: x
    assert _text(model) is None


def test_kinds_of_keras_own_parts_have_one() -> None:
    """Models made of Keras' own parts all have a trace key, except for those that bring code."""
    without = {name for name, kind in KINDS.items() if _text(kind.build({})) is None}
    assert without == {
        "Sequential whose first layer joins two inputs",
        "subclassed, sample weights, Adagrad",
        "train_step of its own, Ftrl",
    }
