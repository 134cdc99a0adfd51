"""Canaries: the names of Keras and TensorFlow that training uses exist, or a reported fallback is used."""

from collections.abc import Callable
from typing import Any

import keras
import pytest
import tensorflow as tf

from pipeline import missing_names
from pipeline.training import internals
from pipeline.training.callbacks import Callbacks
from pipeline.training.symbolic_floats import float_attributes

VARIABLE = tf.Variable(1.0)


def model_of(optimizer: Any = "adam") -> keras.Model:
    """A small compiled model."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), keras.layers.Dense(1)])
    model.compile(optimizer=optimizer, loss="mse", metrics=["mae"])
    return model


def graph() -> Any:
    """A graph that reads one variable."""
    return tf.function(lambda: VARIABLE + 1.0).get_concrete_function().graph


def keras_global_state() -> Any:
    """Keras' module of global attributes."""
    from keras.src.backend.common import global_state

    return global_state


def keras_naming() -> Any:
    """Keras' module that names layers."""
    from keras.src.utils import naming

    return naming


def keras_functional() -> Any:
    """Keras' module of functional models."""
    from keras.src.models import functional

    return functional


def tensorflow_gen_math_ops() -> Any:
    """TensorFlow's module of generated operations."""
    from tensorflow.python.ops import gen_math_ops

    return gen_math_ops


def tensorflow_context() -> Any:
    """TensorFlow's context of eager execution."""
    from tensorflow.python.eager import context

    tf.random.set_seed(1)
    return context.context()


CANARIES: list[tuple[Callable[[], Any], str, str, str]] = [
    (keras_global_state, "set_global_attribute", "start seeds again", "each model is seeded by set_random_seed"),
    (keras_global_state, "get_global_attribute", "save the global generator", "functions draw other numbers"),
    (tensorflow_context, "_rng", "save the global generator", "functions draw other numbers when they continue"),
    (tensorflow_context, "_seed", "save the global generator", "functions draw other numbers when they continue"),
    (tensorflow_context, "_optimizer_experimental_options", "undo an option", "it stays off after a study"),
    (keras_naming, "reset_uids", "give variables the same paths in each process", "the session is cleared each time"),
    (keras_functional, "Functional", "know functional models", "the class is taken from an example"),
    (model_of, "_flatten_layers", "list nested layers", "no trace is shared between trials"),
    (model_of, "_compile_config", "read the arguments of compile", "no trace is shared between trials"),
    (model_of, "_compile_metrics", "build metrics before a trace", "models with metrics are traced twice"),
    (keras.optimizers.Adam, "_learning_rate", "find a schedule", "trials with a schedule share no trace"),
    (keras.optimizers.Adam, "_all_reduce_sum_gradients", "skip a sum over one replica", "each trace leaves 7 MB"),
    (keras.optimizers.Adam, "finalize_variable_values", "keep averages apart in fit", "averages are swapped in early"),
    (keras.optimizers.Adam, "exclude_from_weight_decay", "keep such models apart", "a wrong trace may be shared"),
    (keras.callbacks.CallbackList, "_flush_futures", "wait for hooks in threads", "hooks may run late"),
    (keras.callbacks.CallbackList, "_async_train", "run hooks in the calling thread", "hooks of fit may run late"),
    (keras.callbacks.CallbackList, "_async_test", "run hooks in the calling thread", "hooks of fit may run late"),
    (
        keras.callbacks.TensorBoard,
        "_profiler_started",
        "know whether batches are profiled",
        "each batch runs by itself",
    ),
    (graph, "captures", "find the variables of a graph", "no trace is shared between trials"),
    (graph, "variables", "find the variables of a graph", "no trace is shared between trials"),
    (lambda: VARIABLE, "handle", "find the variables of a graph", "no trace is shared between trials"),
    (tensorflow_gen_math_ops, "add_n", "sum gradients in a fixed order", "results differ in the last digit"),
]


@pytest.mark.parametrize(
    ("make", "name", "purpose", "without"), CANARIES, ids=lambda value: getattr(value, "__name__", value)[:40]
)
def test_a_name_is_there(make: Callable[[], Any], name: str, purpose: str, without: str) -> None:
    """Each internal name of a library that training uses exists."""
    use = f"pipeline/training/internals/ uses it to {purpose}; without it, {without}."
    sentence = f"Keras {keras.__version__} or TensorFlow {tf.__version__} no longer has {name}; {use}"
    try:
        owner = make()
    except ImportError as error:
        pytest.fail(f"{sentence} ({error})")
    assert hasattr(owner, name), sentence


def test_no_batch_hook_is_seen_where_a_callback_has_none() -> None:
    """Keras' own Callback has no batch hooks of its own, and a callback that overrides one has it."""

    class Batches(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None: ...

    model = model_of()
    quiet = Callbacks([keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: None)], model, epochs=1, steps=1)
    assert not quiet.per_train_batch
    assert not quiet.per_test_batch
    assert Callbacks([Batches()], model, epochs=1, steps=1).per_train_batch
    hook = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_: None)
    assert Callbacks([hook], model, epochs=1, steps=1).per_train_batch


def test_fallbacks_share_no_trace(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without Keras' list of layers or compile arguments, a model shares its trace with no other trial."""
    from pipeline.training import trace_key

    monkeypatch.setattr(missing_names, "warned", set())
    model = model_of()
    assert trace_key.trace_key(model, float_attributes(model), 8) is not None
    for function in ("layers_of", "compile_arguments"):
        with monkeypatch.context() as patch:
            patch.setattr(trace_key, function, lambda _: None)
            assert trace_key.trace_key(model, [], 8) is None
            assert trace_key.has_own_parts(model)
    assert internals.layers_of(object()) is None  # type: ignore[arg-type]
    assert internals.compile_arguments(object()) is None  # type: ignore[arg-type]
    assert internals.captured_variables(object()) is None
    assert "traced again" in capsys.readouterr().err
