"""Layers, metrics and the compilation of a Keras model."""

from typing import Any

import keras

from pipeline.missing_names import ABSENT, warn_once


def is_functional(model: keras.Model) -> bool:
    """Whether a model is Keras' own functional model, not a subclass."""
    try:
        from keras.src.models.functional import Functional
    except ImportError:
        example = keras.Input((1,))
        return type(model) is type(keras.Model(example, example))
    return type(model) is Functional


def layers_of(model: keras.Model) -> list[Any] | None:
    """All layers of a model, nested ones included."""
    flatten = getattr(model, "_flatten_layers", None)
    if flatten is None:
        warn_once("Keras", "Layer._flatten_layers", "each trial is traced again, which is slower")
        return None
    layers: list[Any] = flatten(include_self=False)
    return layers


def compile_arguments(model: keras.Model) -> dict[str, Any] | None:
    """The arguments of a model's compile, as they were given."""
    config = getattr(getattr(model, "_compile_config", None), "config", None)
    if config is None:
        warn_once("Keras", "Trainer._compile_config", "each trial is traced again, and without XLA on a CPU")
        return None
    return dict(config)


def compilation_of(model: keras.Model) -> Any:
    """An object that stays the same until a model is compiled again."""
    compilation: Any = getattr(model, "_compile_config", ABSENT)
    if compilation is ABSENT and getattr(model, "compiled", False):
        warn_once(
            "Keras", "Trainer._compile_config", "a model that is compiled again with its optimiser is not noticed"
        )
    return model.optimizer if compilation is ABSENT else compilation


def build_metrics(model: keras.Model, target: Any, output: Any) -> None:
    """Let the compiled metrics of a model create their variables before a trace."""
    metrics: Any = getattr(model, "_compile_metrics", ABSENT)
    if metrics is ABSENT:
        # The trace itself then builds them, and TensorFlow traces twice.
        warn_once("Keras", "Trainer._compile_metrics", "models with metrics are traced twice")
    elif metrics is not None and not metrics.built:
        metrics.build(target, output)


def reset_shared_metrics(model: keras.Model) -> None:
    """Reset the metric objects that a model was compiled with: an earlier model may have used the same ones.

    Keras resets those of a model that it has trained, but its `evaluate` adds to what others left behind.
    """
    metrics: Any = getattr(model, "_compile_metrics", ABSENT)
    given = [getattr(metrics, name, ABSENT) for name in ("_user_metrics", "_user_weighted_metrics")]
    if metrics is ABSENT or (metrics is not None and ABSENT in given):
        warn_once("Keras", "CompileMetrics._user_metrics", "a metric object of several models may count for both")
    elif metrics is not None:
        for metric in keras.tree.flatten(given):
            if isinstance(metric, keras.metrics.Metric):
                metric.reset_state()
